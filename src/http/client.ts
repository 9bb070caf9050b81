import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../system/clock.ts';
import { onAbort } from '../system/on-abort.ts';
import { KeepingAgent, type Wanted } from './agents.ts';
import { Connector } from './connector.ts';
import { Dialer } from './dialer.ts';
import { type ContactedHost, HostPolicy } from './host-policy.ts';
import {
  invalidRequest,
  networkError,
  type Phase,
  proxyRefusal,
  stalledError,
  type Way,
} from './network-error.ts';
import type { NetworkSettings, ProxyAddress } from './network-settings.ts';
import { proxyCredentials } from './proxy.ts';
import { StallWatch } from './stall-watch.ts';

export interface HttpRequest {
  readonly url: URL;
  /** GET if left out. */
  readonly method?: 'GET' | 'HEAD';
  /** Path and query for the request line, if they must be sent exactly as a server wrote them. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** The head of an answer. The caller must read the body to its end or destroy it. */
export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
  /** The address of the host that answers; undefined if a proxy connected to it. */
  readonly address: string | undefined;
  /** Whether the request used a kept connection. */
  readonly reused: boolean;
  /** For error texts while the body is read. */
  readonly way: Way;
  /** The body will not be read for this time: do not count it as a stall. */
  readonly quietFor: (milliseconds: number) => void;
}

export interface HttpClientOptions {
  readonly userAgent: string;
  /** Milliseconds without a byte, in any phase from the name look-up to the last byte, before giving up. */
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  /** Called after every request, for `--verbose`; `status` is undefined if there was no answer. */
  readonly trace?: (request: HttpRequest, status: number | undefined, elapsedMs: number) => void;
  /** Proxies, authorities, allowed hosts; undefined for direct connections. */
  readonly network?: NetworkSettings | undefined;
  /** Called once for each host, before the first request to it. */
  readonly onContact?: (contact: ContactedHost) => void;
  /**
   * Called with every request as it is sent, to watch its answer without reading it. The function that it returns is
   * called when a phase of the connection begins: `tcp`, `tls`, `head`.
   */
  readonly observe?: (outgoing: ClientRequest, request: HttpRequest) => (phase: string) => void;
  /** Makes the connections. Clients that share one share what it knows of addresses. */
  readonly dialer?: Dialer | undefined;
}

/**
 * One attempt of one GET or HEAD request: no redirects, no retries, no cookies, no content decoding.
 * Connections are kept alive and shared. Failures are FetchErrors (NETWORK), an abort is the signal's reason.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  /** Makes the connections and knows the addresses of hosts. */
  readonly dialer: Dialer;
  readonly #connector: Connector;
  readonly #agents: { readonly http: KeepingAgent; readonly https: KeepingAgent };
  readonly #policy: HostPolicy;
  /** Origins that have answered in this run. */
  readonly #answered = new Set<string>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.dialer = options.dialer ?? new Dialer({ clock: options.clock });
    this.#connector = new Connector(options.network, this.dialer);
    this.#agents = {
      http: new KeepingAgent('http:', this.#connector),
      https: new KeepingAgent('https:', this.#connector),
    };
    this.#policy = new HostPolicy(options.network, options.onContact);
  }

  async get(request: HttpRequest): Promise<HttpResponse> {
    request.signal.throwIfAborted();
    this.#policy.admit(request.url);
    return await this.#send(request, this.#connector.proxyOf(request.url));
  }

  #send(request: HttpRequest, proxy: ProxyAddress | undefined): Promise<HttpResponse> {
    const { clock, stallTimeoutMs, trace, observe } = this.#options;
    const { url, signal } = request;
    const started = clock.monotonic();
    return new Promise<HttpResponse>((resolve, reject) => {
      let phase: Phase = proxy === undefined ? 'look-up' : 'proxy-look-up';
      const way = () => ({ phase, proxy, answered: this.#answered.has(url.origin) });
      let outgoing: ClientRequest | undefined;
      let tell: ((phase: Phase) => void) | undefined;
      let incoming: IncomingMessage | undefined;
      const connecting = new AbortController();
      let failed = false;
      const end = () => {
        watch.stop();
        stopListening();
      };
      const fail = (reason: unknown) => {
        if (incoming === undefined && !failed) trace?.(request, undefined, clock.monotonic() - started);
        failed = true;
        reject(reason);
      };
      // Settle the promise first: destroying a request without a socket emits no event.
      const giveUp = (reason: unknown) => {
        const error = reason instanceof Error ? reason : new Error('aborted');
        if (incoming === undefined) {
          end();
          fail(reason);
          connecting.abort(error);
        }
        // Once there is a body, destroy the body: destroying the request would report a reset instead of the reason.
        (incoming ?? outgoing)?.destroy(error);
      };
      let address: string | undefined;
      const onAddress = (one?: string) => {
        address = one;
      };
      const watch = new StallWatch(clock, stallTimeoutMs, () => {
        this.avoid({ url, address });
        giveUp(stalledError(url, stallTimeoutMs, way()));
      });
      const stopListening = onAbort(signal, () => giveUp(signal.reason));
      const enter = (next: Phase) => {
        phase = next;
        tell?.(next);
        watch.touch();
      };
      try {
        const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
        const wanted = { url, signal: connecting.signal, onPhase: enter, onAddress };
        outgoing = send(url, this.#optionsOf(request, proxy, wanted));
        tell = observe?.(outgoing, request);
      } catch (error) {
        end();
        reject(invalidRequest(error as NodeJS.ErrnoException, url));
        return;
      }
      const sent = outgoing.once('socket', (socket) => {
        if (proxy === undefined) address = this.dialer.addressOf(socket);
        enter('head');
      });
      sent.once('response', (body) => {
        enter('body');
        incoming = body;
        const status = body.statusCode ?? 0;
        // For http the proxy itself answers with 407, in place of the host.
        if (status === 407 && proxy !== undefined) {
          sent.destroy();
          reject(proxyRefusal(url, status, proxy));
          return;
        }
        this.#answered.add(url.origin);
        trace?.(request, status, clock.monotonic() - started);
        body.on('data', () => watch.touch());
        // Adding a listener for `data` starts the stream: pause it until the caller reads.
        body.pause();
        const quietFor = (milliseconds: number) => watch.touch(milliseconds);
        const reused = sent.reusedSocket;
        resolve({ url, status, headers: body.headers, body, address, reused, way: way(), quietFor });
      });
      sent.on('error', (error) => {
        // No answer on a new connection: the handshake failed, or the server does not speak HTTP.
        if (incoming === undefined && !sent.reusedSocket && !signal.aborted) this.avoid({ url, address });
        fail(signal.aborted ? signal.reason : networkError(error, url, sent.reusedSocket, way()));
      });
      sent.once('close', () => {
        end();
        const closed = new Error('the connection was closed');
        reject(networkError(closed, url, sent.reusedSocket, way()));
      });
      sent.end();
    });
  }

  #optionsOf(
    request: HttpRequest,
    proxy: ProxyAddress | undefined,
    wanted: Wanted,
  ): RequestOptions & { readonly wanted: Wanted } {
    const { url, method = 'GET', target = url.pathname + url.search } = request;
    const secure = url.protocol === 'https:';
    const forwarded = !secure && proxy !== undefined;
    const credentials = forwarded ? proxyCredentials(proxy) : undefined;
    return {
      agent: secure ? this.#agents.https : this.#agents.http,
      wanted,
      method,
      // A forwarding proxy needs the absolute form (RFC 9112 3.2.2); a tunnel and the host take the path only.
      path: forwarded ? url.origin + target : target,
      // Identity: the length of a compressed answer is not that of the file, and its ranges count other bytes.
      headers: {
        'user-agent': this.#options.userAgent,
        accept: '*/*',
        'accept-encoding': 'identity',
        ...request.headers,
        ...(credentials === undefined ? {} : { 'proxy-authorization': credentials }),
      },
    };
  }

  /** After a bad answer: new connections prefer another address of the host. */
  avoid({ url, address }: Pick<HttpResponse, 'url' | 'address'>): void {
    if (address !== undefined) this.dialer.failed(url.hostname, address);
  }

  /** Closes all connections, also those that are still connecting. */
  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }
}
