import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Listener, listen } from '../wire/listener.ts';
import { headerOf, type RecordedExchange, type Recording } from './recording.ts';

/** Servers that answer as the hosts of a recording did: one for each host, on this machine. */
export interface Replay extends AsyncDisposable {
  /** In place of the endpoint, its path included. */
  readonly origin: string;
  /** By recorded host, `us.aws.cdn.hf.co`, the host that stands for it. */
  readonly hosts: ReadonlyMap<string, string>;
  /** Requests that nothing in the recording answers. */
  readonly unknown: readonly string[];
  close(): Promise<void>;
}

/** Written by the server itself, or true only of the connection that was recorded. */
const OWN_HEADERS = new Set(
  'connection keep-alive date transfer-encoding content-encoding content-length set-cookie'.split(' '),
);

export async function startReplay(recording: Recording, port = 0): Promise<Replay> {
  const endpoint = new URL(recording.endpoint);
  const recorded = new Set([endpoint.host, ...recording.exchanges.map(({ host }) => host)]);
  for (const host of locationsOf(recording)) recorded.add(host);
  const answers = new Answers(recording.exchanges);
  const digests = generatedDigests(recording.exchanges);
  const listeners = new Map<string, Listener>();
  const unknown: string[] = [];

  /** Recorded addresses lead to the replay, signed addresses end as late as they did, hashes are those of its bytes. */
  const translate = (text: string): string =>
    text
      .replace(/\b[0-9a-f]{40,64}\b/g, (hex) => digests.get(hex) ?? hex)
      .replace(/https?:\/\/([^/?#"\s>]+)/g, (whole, host: string) => listeners.get(host)?.origin ?? whole)
      .replace(
        /\bExpires=in-(\d+)/g,
        (_, seconds) => `Expires=${Math.ceil(Date.now() / 1000) + Number(seconds)}`,
      )
      .replaceAll('…', '...');

  async function answer(host: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = answers.take(host, request);
    if (exchange === undefined) {
      const what = `${request.method} ${host}${request.url?.split('?')[0]}`;
      unknown.push(what);
      response.writeHead(501, { 'Content-Type': 'text/plain' }).end(`not in the recording: ${what}`);
      return;
    }
    if (exchange.status === undefined) {
      request.socket.destroy();
      return;
    }
    for (const line of exchange.headers) {
      const name = line.slice(0, line.indexOf(': '));
      const value = headerOf(exchange.headers, name);
      if (value !== undefined && !OWN_HEADERS.has(name)) response.setHeader(name, translate(value));
    }
    await send(exchange, request, response, translate);
  }

  for (const host of recorded) {
    const here = host === endpoint.host ? port : 0;
    listeners.set(host, await listen((request, response) => answer(host, request, response), { port: here }));
  }
  const close = async (): Promise<void> => {
    await Promise.all([...listeners.values()].map((listener) => listener.close()));
  };
  return {
    origin:
      (listeners.get(endpoint.host)?.origin ?? '') + (endpoint.pathname === '/' ? '' : endpoint.pathname),
    hosts: new Map([...listeners].map(([host, { origin }]) => [host, new URL(origin).host])),
    unknown,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Recorded answers by what they answer. The same question gets them in turn, and the last one from then on. */
class Answers {
  readonly #byKey = new Map<string, RecordedExchange[]>();

  constructor(exchanges: readonly RecordedExchange[]) {
    for (const exchange of exchanges) {
      const ranged = exchange.request.some((line) => line.startsWith('range: '));
      for (const key of keysOf(exchange.method, exchange.host, exchange.path, exchange.query ?? '', ranged)) {
        this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), exchange]);
      }
    }
  }

  take(host: string, request: IncomingMessage): RecordedExchange | undefined {
    const [path = '', query = ''] = (request.url ?? '/').split('?');
    const ranged = request.headers.range !== undefined;
    for (const key of keysOf(request.method ?? 'GET', host, path, query, ranged)) {
      const queue = this.#byKey.get(key);
      if (queue !== undefined) return queue.length > 1 ? queue.shift() : queue[0];
    }
    return undefined;
  }
}

/** From the exact question to the one that is alike: another signature, another kind of range. */
function keysOf(method: string, host: string, path: string, query: string, ranged: boolean): string[] {
  const place = `${method} ${host}${path}`;
  const asked = query.replace(/\bExpires=(?:in-)?\d+/, 'Expires');
  return [`${place}?${asked} ${ranged}`, `${place} ${ranged}`, place];
}

async function send(
  exchange: RecordedExchange,
  request: IncomingMessage,
  response: ServerResponse,
  translate: (text: string) => string,
): Promise<void> {
  const { status = 200, body, headers, host, path } = exchange;
  const told = body.json === undefined ? body.text : JSON.stringify(body.json);
  const recordedLength = Number(headerOf(headers, 'content-length') ?? body.length);
  if (request.method === 'HEAD') {
    if (headerOf(headers, 'content-length') !== undefined)
      response.setHeader('content-length', recordedLength);
    response.writeHead(status).end();
    return;
  }
  if (told !== undefined) {
    const text = translate(told);
    response.setHeader('content-length', Buffer.byteLength(text));
    response.writeHead(status).end(text);
    return;
  }
  const range = rangeFor(request, exchange);
  if (range !== undefined) response.setHeader('content-range', range.header);
  const start = range?.start ?? 0;
  const length = range?.length ?? recordedLength;
  response.setHeader('content-length', length);
  response.writeHead(status);
  // It broke off where it broke off; what the reader had left unread is there all the same.
  const sent = exchange.error === undefined ? length : Math.min(length, body.length);
  await pipeline(Readable.from(contentOf(`${host}${path}`, start, sent)), response, {
    end: sent === length,
  }).catch(() => {});
  if (sent < length) response.destroy();
}

/** The range that is asked for now, of a file as long as the recorded one. One that was off then is off now. */
function rangeFor(
  request: IncomingMessage,
  { headers, request: asked }: RecordedExchange,
): { readonly header: string; readonly start: number; readonly length: number } | undefined {
  const recorded = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headerOf(headers, 'content-range') ?? '');
  if (recorded === null) return undefined;
  const [first = 0, last = 0, total = 0] = recorded.slice(1).map(Number);
  const then = bounds(headerOf(asked, 'range')) ?? [first, last];
  const [start, end] = bounds(request.headers.range) ?? [first, last];
  const stop = Math.min(end, total - 1);
  const shifted = [start + first - then[0], stop + last - Math.min(then[1], total - 1)];
  return { header: `bytes ${shifted[0]}-${shifted[1]}/${total}`, start, length: stop - start + 1 };
}

function bounds(range: string | undefined): readonly [number, number] | undefined {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  return start === undefined ? undefined : [Number(start), Number(end)];
}

const TILE_BYTES = 64 * 1024;

/** Made-up bytes, the same for the same place each time. */
function* contentOf(place: string, start: number, length: number): Generator<Buffer> {
  const seed = createHash('sha512').update(place).digest();
  const tile = Buffer.alloc(TILE_BYTES, seed);
  for (let sent = 0; sent < length; ) {
    const offset = (start + sent) % TILE_BYTES;
    const part = tile.subarray(offset, offset + Math.min(TILE_BYTES - offset, length - sent));
    sent += part.length;
    yield part;
  }
}

/** For recorded hashes of whole files: those of the bytes that are sent in their place. */
function generatedDigests(exchanges: readonly RecordedExchange[]): Map<string, string> {
  const digests = new Map<string, string>();
  for (const { host, path, body } of exchanges) {
    if (body.sha256 === undefined || body.git === undefined) continue;
    const sha256 = createHash('sha256');
    const git = createHash('sha1').update(`blob ${body.length}\0`);
    for (const part of contentOf(`${host}${path}`, 0, body.length)) {
      sha256.update(part);
      git.update(part);
    }
    digests.set(body.sha256, sha256.digest('hex'));
    digests.set(body.git, git.digest('hex'));
  }
  return digests;
}

function locationsOf({ exchanges }: Recording): string[] {
  return exchanges.flatMap(({ headers }) => {
    const location = headerOf(headers, 'location');
    return location !== undefined && /^https?:\/\//.test(location) ? [new URL(location).host] : [];
  });
}
