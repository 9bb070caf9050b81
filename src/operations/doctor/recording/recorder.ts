import { createHash } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import type { HttpRequest } from '../../../http/client.ts';
import type { Clock } from '../../../system/clock.ts';
import { type ExchangeTiming, observeTiming } from '../exchange-timing.ts';

const MAX_EXCHANGES = 500;
/** Of one response; of a longer one only the length is kept. */
const MAX_BODY_BYTES = 4 * 2 ** 20;
/** Of all responses whose text is kept. */
const MAX_TEXT_BYTES = 16 * 2 ** 20;

/** One exchange as it was, with secrets: never written in this form. */
export interface SocketExchange {
  /** Milliseconds since the recording began. */
  readonly startedMs: number;
  readonly method: string;
  /** With path and query exactly as they were sent. */
  readonly address: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly timing: ExchangeTiming;
  status?: number;
  /** Names and values in turn. */
  rawHeaders: readonly string[];
  /** Received bytes of the body, before decoding. */
  length: number;
  /** The body was received completely. */
  complete: boolean;
  /** The text of a response that is not the content of a file. */
  text?: string;
  /** Digests of the whole content of a small file. */
  digests?: { readonly sha256: string; readonly git: string };
  error?: { readonly code: string | undefined; readonly message: string };
}

/** Records the requests and responses of a run. */
export class Recorder {
  readonly exchanges: SocketExchange[] = [];
  /** Some exchanges were left out: there were too many. */
  cut = false;
  readonly #clock: Clock;
  readonly #began: number;
  #textBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  readonly observe = (outgoing: ClientRequest, request: HttpRequest): ((phase: string) => void) => {
    if (this.exchanges.length >= MAX_EXCHANGES) {
      this.cut = true;
      return () => {};
    }
    const { url, target = url.pathname + url.search, method = 'GET', headers = {} } = request;
    const { timing, enter } = observeTiming(outgoing, this.#clock);
    const exchange: SocketExchange = {
      startedMs: this.#clock.monotonic() - this.#began,
      method,
      address: url.origin + target,
      requestHeaders: headers,
      timing,
      rawHeaders: [],
      length: 0,
      complete: false,
    };
    this.exchanges.push(exchange);
    outgoing.once('response', (body) => this.#watch(exchange, body));
    outgoing.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      exchange.error = { code, message };
    });
    return enter;
  };

  #watch(exchange: SocketExchange, body: IncomingMessage): void {
    exchange.status = body.statusCode ?? 0;
    exchange.rawHeaders = body.rawHeaders;
    const isText = !isContent(exchange, body);
    let chunks: Buffer[] = [];
    body.on('data', (chunk: Buffer) => {
      exchange.length += chunk.length;
      const isMuch = exchange.length > MAX_BODY_BYTES || (isText && this.#textBytes > MAX_TEXT_BYTES);
      if (isMuch) chunks = [];
      else chunks.push(chunk);
    });
    // The reader of the response handles the failure; here it is only recorded.
    body.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      exchange.error = { code, message };
    });
    body.once('close', () => {
      exchange.complete = body.complete;
      const bytes = Buffer.concat(chunks);
      chunks = [];
      if (bytes.length !== exchange.length) return;
      if (isText) {
        exchange.text = textOf(bytes, body.headers['content-encoding']);
        this.#textBytes += bytes.length;
      } else if (exchange.complete && isWhole(body, bytes.length)) exchange.digests = digestsOf(bytes);
    });
  }
}

/** Bytes of a file, which are not kept. Every other body is a response of the hub. */
function isContent({ status = 0, address }: SocketExchange, { headers }: IncomingMessage): boolean {
  if (status < 200 || status >= 300) return false;
  const { pathname } = new URL(address);
  return /\/resolve(?:-cache)?\//.test(pathname) || !/json/.test(headers['content-type'] ?? '');
}

/** The whole file, with or without a range in the request. */
function isWhole({ statusCode, headers }: IncomingMessage, length: number): boolean {
  if (statusCode !== 206) return statusCode === 200;
  return headers['content-range'] === `bytes 0-${length - 1}/${length}`;
}

function textOf(bytes: Buffer, coding: string | undefined): string {
  const limit = { maxOutputLength: MAX_BODY_BYTES };
  try {
    if (coding === 'gzip') return gunzipSync(bytes, limit).toString('utf8');
    if (coding === 'deflate') return inflateSync(bytes, limit).toString('utf8');
    if (coding === 'br') return brotliDecompressSync(bytes, limit).toString('utf8');
    return bytes.toString('utf8');
  } catch {
    return '';
  }
}

function digestsOf(bytes: Buffer): { sha256: string; git: string } {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  return { sha256, git };
}
