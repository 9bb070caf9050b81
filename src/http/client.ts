import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../system/clock.ts';
import { onAbort } from '../system/on-abort.ts';
import { KeepingAgent, type SocketRequirements } from './agents.ts';
import { commonHeaders } from './common-headers.ts';
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
import { forwarding } from './proxy.ts';
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
  #shortestWaitMs = Number.POSITIVE_INFINITY;

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

  /**
   * The shortest time from a sent request to the head of its answer 200, in milliseconds; undefined before the first one. Longer
   * times may be due to this machine.
   */
  get shortestWaitMs(): number | undefined {
    return Number.isFinite(this.#shortestWaitMs) ? this.#shortestWaitMs : undefined;
  }

  async get(request: HttpRequest): Promise<HttpResponse> {
    request.signal.throwIfAborted();
    this.#policy.admit(request.url);
    return await this.#send(request, this.#connector.proxyOf(request.url));
  }

  #send(request: HttpRequest, proxy: ProxyAddress | undefined): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange({
        request,
        proxy,
        options: this.#options,
        dialer: this.dialer,
        answered: this.#answered,
        waited: (ms) => {
          this.#shortestWaitMs = Math.min(this.#shortestWaitMs, ms);
        },
        avoid: (place) => this.avoid(place),
        resolve,
        reject,
      });
      exchange.begin((requirements) => this.#optionsOf(request, proxy, requirements));
    });
  }

  #optionsOf(
    request: HttpRequest,
    proxy: ProxyAddress | undefined,
    requirements: SocketRequirements,
  ): RequestOptions & { readonly requirements: SocketRequirements } {
    const { url, method = 'GET', target = url.pathname + url.search } = request;
    const { prefix, headers } = forwarding(url, proxy);
    return {
      agent: url.protocol === 'https:' ? this.#agents.https : this.#agents.http,
      requirements,
      method,
      path: prefix + target,
      headers: {
        ...commonHeaders(this.#options),
        ...request.headers,
        ...headers,
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

  [Symbol.dispose](): void {
    this.close();
  }
}

interface ExchangeParts {
  readonly request: HttpRequest;
  readonly proxy: ProxyAddress | undefined;
  readonly options: HttpClientOptions;
  readonly dialer: Dialer;
  /** Origins that have answered in this run. */
  readonly answered: Set<string>;
  /** Called with the milliseconds from the sent request to the head of its answer 200. */
  readonly waited: (ms: number) => void;
  readonly avoid: (place: Pick<HttpResponse, 'url' | 'address'>) => void;
  readonly resolve: (response: HttpResponse) => void;
  readonly reject: (reason: unknown) => void;
}

/** One request: from its connection to the head of its answer, then the guard of its body. */
class Exchange {
  readonly #parts: ExchangeParts;
  readonly #started: number;
  readonly #connecting = new AbortController();
  readonly #watch: StallWatch;
  readonly #stopListening: () => void;
  #phase: Phase;
  #outgoing: ClientRequest | undefined;
  #incoming: IncomingMessage | undefined;
  #tell: ((phase: Phase) => void) | undefined;
  #address: string | undefined;
  #askedAt: number;
  #failed = false;

  constructor(parts: ExchangeParts) {
    const { url, signal } = parts.request;
    const { clock, stallTimeoutMs } = parts.options;
    this.#parts = parts;
    this.#started = clock.monotonic();
    this.#askedAt = this.#started;
    this.#phase = parts.proxy === undefined ? 'look-up' : 'proxy-look-up';
    this.#watch = new StallWatch(clock, stallTimeoutMs, () => {
      parts.avoid({ url, address: this.#address });
      this.#giveUp(stalledError(url, stallTimeoutMs, this.#way()));
    });
    this.#stopListening = onAbort(signal, () => this.#giveUp(signal.reason));
  }

  begin(optionsOf: (requirements: SocketRequirements) => RequestOptions): void {
    const { request, options, reject } = this.#parts;
    const { url } = request;
    try {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const requirements: SocketRequirements = {
        url,
        signal: this.#connecting.signal,
        onPhase: (phase) => this.#enter(phase),
        onAddress: (address) => {
          this.#address = address;
        },
      };
      this.#outgoing = send(url, optionsOf(requirements));
      this.#tell = options.observe?.(this.#outgoing, request);
    } catch (error) {
      this.#end();
      reject(invalidRequest(error as NodeJS.ErrnoException, url));
      return;
    }
    this.#listen(this.#outgoing);
    this.#outgoing.end();
  }

  #listen(sent: ClientRequest): void {
    const { request, proxy, options, dialer, avoid, reject } = this.#parts;
    const { url, signal } = request;
    sent.once('socket', (socket) => {
      if (proxy === undefined) this.#address = dialer.addressOf(socket);
      this.#askedAt = options.clock.monotonic();
      this.#enter('head');
    });
    sent.once('response', (body) => this.#answer(sent, body));
    sent.on('error', (error) => {
      // No answer on a new connection: the handshake failed, or the server does not speak HTTP.
      if (this.#incoming === undefined && !sent.reusedSocket && !signal.aborted)
        avoid({ url, address: this.#address });
      this.#fail(signal.aborted ? signal.reason : networkError(error, url, sent.reusedSocket, this.#way()));
    });
    sent.once('close', () => {
      this.#end();
      reject(networkError(new Error('the connection was closed'), url, sent.reusedSocket, this.#way()));
    });
  }

  #answer(sent: ClientRequest, body: IncomingMessage): void {
    const { request, proxy, options, answered, waited, resolve, reject } = this.#parts;
    const { url } = request;
    this.#enter('body');
    this.#incoming = body;
    const status = body.statusCode ?? 0;
    // For http the proxy itself answers with 407, in place of the host.
    if (status === 407 && proxy !== undefined) {
      sent.destroy();
      reject(proxyRefusal(url, status, proxy));
      return;
    }
    answered.add(url.origin);
    const now = options.clock.monotonic();
    // A redirect may come from an edge near by, whatever stands behind it.
    if (status === 200) waited(now - this.#askedAt);
    options.trace?.(request, status, now - this.#started);
    body.on('data', () => this.#watch.touch());
    // Adding a listener for `data` starts the stream: pause it until the caller reads.
    body.pause();
    resolve({
      url,
      status,
      headers: body.headers,
      body,
      address: this.#address,
      reused: sent.reusedSocket,
      way: this.#way(),
      quietFor: (milliseconds) => this.#watch.touch(milliseconds),
    });
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#tell?.(phase);
    this.#watch.touch();
  }

  #way(): Way {
    const { proxy, answered, request } = this.#parts;
    return { phase: this.#phase, proxy, answered: answered.has(request.url.origin) };
  }

  #giveUp(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error('aborted');
    // Settle the promise first: destroying a request without a socket emits no event.
    if (this.#incoming === undefined) {
      this.#end();
      this.#fail(reason);
      this.#connecting.abort(error);
    }
    // Once there is a body, destroy the body: destroying the request would report a reset instead of the reason.
    (this.#incoming ?? this.#outgoing)?.destroy(error);
  }

  #fail(reason: unknown): void {
    const { request, options, reject } = this.#parts;
    if (this.#incoming === undefined && !this.#failed)
      options.trace?.(request, undefined, options.clock.monotonic() - this.#started);
    this.#failed = true;
    reject(reason);
  }

  #end(): void {
    this.#watch.stop();
    this.#stopListening();
  }
}
