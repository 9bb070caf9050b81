import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { SecureContext } from 'node:tls';
import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { FetchError } from '../model/error.ts';
import type { Clock } from '../system/clock.ts';
import { onAbort } from '../system/on-abort.ts';
import { Agents, secureContextOf } from './agents.ts';
import { Dialer } from './dialer.ts';
import type { Dialling } from './dialing-agents.ts';
import { type Contact, HostPolicy } from './host-policy.ts';
import type { NetworkSettings } from './network.ts';
import { networkError, proxyRefusal, stalledError, unsendable } from './network-error.ts';

export interface HttpRequest {
  readonly url: URL;
  /** GET unless told. */
  readonly method?: 'GET' | 'HEAD';
  /** Path and query for the request line, where they must be sent exactly as a server wrote them. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** The head of an answer. Whoever gets it must read the body to its end or destroy it. */
export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
  /** The address that answers: of the host, or of a proxy. */
  readonly address: string | undefined;
  /** True when the request went out on a connection that had served before. */
  readonly reused: boolean;
  /** Says that the body will not be read for so many milliseconds: that is no stall. */
  readonly quietFor: (milliseconds: number) => void;
}

export interface HttpClientOptions {
  readonly userAgent: string;
  /** Milliseconds without a byte, in any phase from the name look-up to the last byte, before giving up. */
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  /** Told of every request and its answer, for `--verbose`. */
  readonly trace?: (request: HttpRequest, status: number | undefined, elapsedMs: number) => void;
  /** Proxies, authorities, allowed hosts; undefined for the plain way. */
  readonly network?: NetworkSettings | undefined;
  /** Told of every host once, before the first request to it. */
  readonly onContact?: (contact: Contact) => void;
  /** Makes the connections; shared by those who are to know the same of addresses. */
  readonly dialer?: Dialer;
}

/**
 * One attempt of one GET or HEAD request: no redirects, no retries, no cookies, no content decoding.
 * Connections are kept alive and shared. Failures are FetchErrors (NETWORK), an abort is the signal's reason.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  /** Knows the addresses of hosts. */
  readonly dialer: Dialer;
  readonly #agents: Agents;
  readonly #policy: HostPolicy;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.dialer = options.dialer ?? new Dialer({ clock: options.clock });
    this.#agents = new Agents(options.network, this.dialer);
    this.#policy = new HostPolicy(options.network, options.onContact);
  }

  get(request: HttpRequest): Promise<HttpResponse> {
    if (request.signal.aborted) return Promise.reject(request.signal.reason);
    try {
      this.#policy.admit(request.url);
    } catch (error) {
      return Promise.reject(error);
    }
    const agent = this.#agents.for(request.url);
    return agent instanceof Promise
      ? agent.then((opened) => this.#send(request, opened))
      : this.#send(request, agent);
  }

  #send(request: HttpRequest, agent: Agent): Promise<HttpResponse> {
    const { clock, userAgent, stallTimeoutMs, trace, network } = this.#options;
    const { url, signal } = request;
    if (signal.aborted) return Promise.reject(signal.reason);
    const secure = url.protocol === 'https:';
    const secureContext = secure ? secureContextOf(network) : undefined;
    const started = clock.monotonic();
    return new Promise<HttpResponse>((resolve, reject) => {
      const dialling = new AbortController();
      const dial: Dialling = { signal: dialling.signal, onProgress: () => watch.touch() };
      const options: RequestOptions & { secureContext?: SecureContext; dialling: Dialling } = {
        agent,
        method: request.method ?? 'GET',
        ...(request.target === undefined ? {} : { path: request.target }),
        dialling: dial,
        ...(secureContext === undefined ? {} : { secureContext }),
        // Identity: a compressed answer has no usable length, and ranges of it mean something else.
        headers: {
          'user-agent': userAgent,
          accept: '*/*',
          'accept-encoding': 'identity',
          ...request.headers,
        },
      };
      let outgoing: ClientRequest;
      try {
        outgoing = (secure ? httpsRequest : httpRequest)(url, options);
      } catch (error) {
        reject(unsendable(error as NodeJS.ErrnoException, url));
        return;
      }
      let incoming: IncomingMessage | undefined;
      // Once there is a body, it is what must fail: a request that is destroyed then calls it a reset.
      const giveUp = (reason: Error) => {
        (incoming ?? outgoing).destroy(reason);
        // A request without a connection ends with the attempt to make one.
        dialling.abort(reason);
      };
      let address: string | undefined;
      const watch = new StallWatch(clock, stallTimeoutMs, () => {
        this.avoid({ url, address });
        giveUp(stalledError(url, stallTimeoutMs));
      });
      const stopListening = onAbort(signal, () => {
        giveUp(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      });
      outgoing.once('proxyConnect', ({ statusCode = 0 }: { statusCode?: number }) => {
        // What a proxy says when it does not connect must not be taken for an answer of the host.
        if (secure && statusCode !== 200) outgoing.destroy(proxyRefusal(url, statusCode));
        else watch.touch();
      });
      outgoing.once('socket', (socket) => {
        address = this.dialer.addressOf(socket) ?? socket.remoteAddress;
        if (outgoing.reusedSocket) return;
        // Connection and handshake are progress too.
        watch.touch();
        for (const event of ['lookup', 'connect', 'secureConnect']) socket.once(event, () => watch.touch());
      });
      outgoing.once('response', (body) => {
        watch.touch();
        incoming = body;
        const status = body.statusCode ?? 0;
        // Only a proxy says so; for http it answers in the place of the host.
        if (status === 407) {
          outgoing.destroy();
          reject(proxyRefusal(url, status));
          return;
        }
        trace?.(request, status, clock.monotonic() - started);
        body.on('data', () => watch.touch());
        // Nothing flows until somebody reads: adding a listener for data must not start the stream here.
        body.pause();
        const quietFor = (milliseconds: number) => watch.touch(milliseconds);
        const reused = outgoing.reusedSocket;
        resolve({ url, status, headers: body.headers, body, address, reused, quietFor });
      });
      outgoing.on('error', (error) => {
        if (incoming === undefined) {
          trace?.(request, undefined, clock.monotonic() - started);
          // No answer on a new connection: the handshake failed, or nobody is there who speaks HTTP.
          if (!outgoing.reusedSocket && !signal.aborted) this.avoid({ url, address });
        }
        reject(signal.aborted ? signal.reason : networkError(error, url, outgoing.reusedSocket));
      });
      outgoing.once('close', () => {
        watch.stop();
        stopListening();
        reject(networkError(new Error('the connection was closed'), url, outgoing.reusedSocket));
      });
      outgoing.end();
    });
  }

  /** What answered like this is no good place to ask again: new connections prefer another address of the host. */
  avoid({ url, address }: Pick<HttpResponse, 'url' | 'address'>): void {
    if (address !== undefined) this.dialer.failed(url.hostname, address);
  }

  /** Closes idle connections. */
  close(): void {
    this.#agents.close();
  }
}

/** Fires once when nothing has touched it for a while. One timer however often it is touched. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onStall: () => void;
  #touched: number;
  #cancel: () => void = () => {};

  constructor(clock: Clock, limitMs: number, onStall: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onStall = onStall;
    this.#touched = clock.monotonic();
    this.#arm(limitMs);
  }

  /** Something came, or will not be expected for `quietMs`. */
  touch(quietMs = 0): void {
    this.#touched = this.#clock.monotonic() + quietMs;
  }

  stop(): void {
    this.#cancel();
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const left = this.#touched + this.#limitMs - this.#clock.monotonic();
      if (left <= 0) this.#onStall();
      else this.#arm(left);
    });
  }
}

/** Reads a whole small body as text; NETWORK if it is larger than `limit` bytes or breaks off. */
export async function readText(response: HttpResponse, limit: number, signal: AbortSignal): Promise<string> {
  return (await readBody(response, limit, signal)).toString('utf8');
}

/** The first bytes of a body as text, at most `limit` of them; empty where they cannot be read. */
export async function readStart(response: HttpResponse, limit: number, signal: AbortSignal): Promise<string> {
  const bytes = await readBody(response, limit, signal, 'cut').catch(() => undefined);
  signal.throwIfAborted();
  return bytes?.toString('utf8') ?? '';
}

/** Reads a body; one larger than `limit` bytes is refused (NETWORK), or cut there where that is all one wants of it. */
export async function readBody(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
  beyond: 'refuse' | 'cut' = 'refuse',
): Promise<Buffer> {
  const stream = decoded(response);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size > limit && beyond === 'cut') {
        chunks.push((chunk as Buffer).subarray(0, (chunk as Buffer).length - (size - limit)));
        break;
      }
      if (size > limit) {
        throw new FetchError('NETWORK', `the answer of ${response.url.host} is larger than ${limit} bytes`, {
          hint: 'No honest answer of that kind is: nothing of it was kept. Check the endpoint.',
        });
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) throw error;
    throw networkError(error as Error, response.url, false);
  } finally {
    response.body.destroy();
  }
  return Buffer.concat(chunks);
}

/** The body with its content coding undone: some servers compress although identity was asked for. */
export function decoded(response: HttpResponse): NodeJS.ReadableStream {
  const coding = String(response.headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase();
  if (coding === 'identity' || coding === '') return response.body;
  const decoder =
    coding === 'gzip' || coding === 'x-gzip' || coding === 'deflate'
      ? createUnzip()
      : coding === 'br'
        ? createBrotliDecompress()
        : undefined;
  if (decoder === undefined) {
    response.body.destroy();
    throw new FetchError(
      'NETWORK',
      `${response.url.host} answers in an unknown coding: ${coding.slice(0, 40)}`,
      { hint: 'A proxy on the way may have changed the answer: try another network or endpoint.' },
    );
  }
  response.body.on('error', (error) => decoder.destroy(error));
  return response.body.pipe(decoder);
}

/** A body of so many bytes costs less than a new connection. */
const WORTH_READING_BYTES = 64 * 1024;

/** Has no use for the body: reads what little there is, so that the connection serves again, or ends it. */
export function discard(response: HttpResponse): void {
  const { body } = response;
  let size = 0;
  body.on('error', () => {});
  body.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > WORTH_READING_BYTES) body.destroy();
  });
  if (Number(response.headers['content-length'] ?? 0) > WORTH_READING_BYTES) body.destroy();
  else body.resume();
}
