import { commonHeaders } from '../../../http/common-headers.ts';
import { Connector } from '../../../http/connector.ts';
import { Dialer } from '../../../http/dialer.ts';
import { type ContactedHost, HostPolicy } from '../../../http/host-policy.ts';
import { emptyAnswer, networkError, type Phase, stalledError } from '../../../http/network-error.ts';
import type { NetworkSettings, ProxyAddress } from '../../../http/network-settings.ts';
import { forwarding } from '../../../http/proxy.ts';
import { formatRange } from '../../../http/range.ts';
import { StallWatch } from '../../../http/stall-watch.ts';
import { redactUrl, requestTarget } from '../../../http/url.ts';
import { FetchError } from '../../../model/error.ts';
import type { HttpLocation } from '../../../source/location.ts';
import type { Clock } from '../../../system/clock.ts';
import { type RateLimiter, RateReservation } from '../rate-limiter.ts';
import { askedRange, type HttpJob, type RangeObserver, type Transport } from '../transport.ts';
import { SocketConnection } from './socket-connection.ts';
import { SocketExchange, UnsupportedResponse } from './socket-exchange.ts';
import { WriteCoalescer } from './write-coalescer.ts';

/** Bytes per read: one system call and one write for each, instead of sixteen of each. */
const READ_BYTES = 1024 * 1024;
/** Idle connections beyond this are closed: as many as one may have. Servers close them after some seconds anyway. */
const MAX_IDLE = 256;
/** An address is slow if nothing was received for this long when its request was stopped. */
const SLOW_MS = 5000;

export interface SocketTransportOptions {
  readonly userAgent: string;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  readonly limiter: RateLimiter | undefined;
  /** Told of every request and its answer, for `--verbose`. */
  readonly trace: (message: string) => void;
  readonly network?: NetworkSettings | undefined;
  readonly onContact?: (contact: ContactedHost) => void;
  /** Makes the connections; shared by those who are to know the same of addresses. */
  readonly dialer?: Dialer | undefined;
}

/**
 * The fast transport: its own HTTP/1.1 on plain sockets with large reads and synchronous writes. Takes
 * only a 206 with exactly the requested Content-Range and Content-Length, and rejects with
 * UnsupportedResponse for every other response that is not a refusal.
 */
export class SocketTransport implements Transport<HttpLocation> {
  readonly #options: SocketTransportOptions;
  readonly #idle = new Map<string, SocketConnection[]>();
  readonly #policy: HostPolicy;
  readonly #joiner = new WriteCoalescer();
  readonly #dialer: Dialer;
  readonly #connector: Connector;

  constructor(options: SocketTransportOptions) {
    this.#options = options;
    this.#dialer = options.dialer ?? new Dialer({ clock: options.clock });
    this.#connector = new Connector(options.network, this.#dialer);
    this.#policy = new HostPolicy(options.network, options.onContact);
  }

  async bring(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { window, location } = job;
    // No header can ask for no bytes: such a request would be answered with the whole file.
    if (window.position >= window.end) return;
    const url = new URL(location.url);
    if (url.username !== '' || url.password !== '')
      throw new UnsupportedResponse('an address with a password', { lasting: true });
    if (location.ranges === 'none')
      throw new UnsupportedResponse('a host without ranges', { lasting: false });
    this.#policy.admit(url);
    const { clock, limiter } = this.#options;
    const allowance = new RateReservation(limiter, window.end - window.position);
    try {
      const delay = allowance.begin();
      if (delay > 0) await clock.sleep(delay, signal);
      if (window.position < window.end) await this.#exchange(url, job, observer, signal, allowance);
    } finally {
      allowance.end();
    }
  }

  #exchange(
    url: URL,
    job: HttpJob,
    observer: RangeObserver,
    signal: AbortSignal,
    allowance: RateReservation,
  ): Promise<void> {
    const rangeText = formatRange(askedRange(job));
    const proxy = this.#connector.proxyOf(url);
    const request = this.#requestText(url, job, rangeText, proxy);
    if (request === undefined)
      return Promise.reject(new UnsupportedResponse('a header that is no text', { lasting: true }));
    return new Promise((resolve, reject) => {
      const { clock, stallTimeoutMs, trace } = this.#options;
      const started = clock.monotonic();
      const traced = (answer: string) =>
        trace(`GET ${redactUrl(url)} ${rangeText}: ${answer}, ${Math.round(clock.monotonic() - started)} ms`);
      let heardAt = started;
      const avoid = () => {
        if (connection.address !== undefined) this.#dialer.failed(url.hostname, connection.address);
      };
      let phase: Phase = 'head';
      const enter = (next: Phase) => {
        phase = next;
        watch.touch();
      };
      const watch = new StallWatch(clock, stallTimeoutMs, () => {
        avoid();
        connection.destroy(stalledError(url, stallTimeoutMs, { phase, proxy }));
      });
      const connection = this.#connect(url, enter);
      const reused = connection.served > 0;
      const onAbort = () => {
        if (clock.monotonic() - heardAt >= SLOW_MS) avoid();
        connection.destroy();
      };
      let goOn = () => {};
      const end = (outcome: () => void) => {
        watch.stop();
        goOn();
        signal.removeEventListener('abort', onAbort);
        outcome();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const context = { clock, joiner: this.#joiner, url, proxy };
      const exchange = new SocketExchange(job, observer, context, {
        received: (bytes) => {
          const delay = allowance.received(bytes);
          // Bytes of the head are not progress.
          if (phase === 'body') watch.touch(delay);
          heardAt = clock.monotonic() + delay;
          if (delay === 0) return;
          connection.pause();
          const cancel = clock.after(delay, () => connection.resume());
          goOn = () => {
            cancel();
            connection.resume();
          };
        },
        answered: (status) => {
          enter('body');
          traced(String(status));
        },
        done: (reusable) => {
          if (reusable) this.#keep(url.origin, connection);
          else drop(connection);
          end(resolve);
        },
        failed: (error, reusable) => {
          if (reusable) this.#keep(url.origin, connection);
          else drop(connection);
          end(() => reject(error));
        },
        broken: (error) => {
          if (exchange.silent) traced('failed');
          const cause = error ?? new Error('the connection was closed');
          // A server may close an idle connection at any time: not an error before the first byte of a response.
          const idleEnd = reused && exchange.silent && error === undefined;
          const named = idleEnd ? Object.assign(cause, { code: 'ECONNRESET' }) : cause;
          if (exchange.empty || (exchange.silent && !reused && !signal.aborted)) avoid();
          if (exchange.empty && !signal.aborted && !(error instanceof FetchError)) {
            end(() => reject(emptyAnswer(url, connection.address)));
            return;
          }
          end(() =>
            reject(
              signal.aborted
                ? signal.reason
                : networkError(named, url, reused && exchange.silent, { phase, proxy }),
            ),
          );
        },
      });
      connection.use(exchange, request);
    });
  }

  elsewhere(): void {
    this.#dialer.elsewhere();
    this.close();
  }

  /** Closes idle connections. */
  close(): void {
    for (const connections of this.#idle.values()) for (const connection of connections) connection.destroy();
    this.#idle.clear();
  }

  #connect(url: URL, onPhase: (phase: Phase) => void): SocketConnection {
    const idle = this.#idle.get(url.origin) ?? [];
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.usable && this.#favours(url.origin, connection)) return connection;
      connection.destroy();
    }
    return SocketConnection.open(url, this.#connector, {
      readBytes: this.#options.limiter?.stepBytes ?? READ_BYTES,
      onPhase,
    });
  }

  #keep(origin: string, connection: SocketConnection): void {
    connection.release();
    const idle = this.#idle.get(origin) ?? [];
    this.#idle.set(origin, idle);
    const keep = idle.length < MAX_IDLE && connection.usable && this.#favours(origin, connection);
    if (keep) idle.push(connection);
    else connection.destroy();
  }

  #favours(origin: string, { address }: SocketConnection): boolean {
    return address === undefined || this.#dialer.favours(new URL(origin).hostname, address);
  }

  /** Undefined if a value is not allowed in a header. */
  #requestText(
    url: URL,
    { location }: HttpJob,
    range: string,
    proxy: ProxyAddress | undefined,
  ): string | undefined {
    const { prefix, headers: forProxy } = forwarding(url, proxy);
    const { authorization } = location;
    const headers = {
      Host: url.host,
      ...commonHeaders(this.#options),
      Range: range,
      Connection: 'keep-alive',
      ...(authorization?.origin === url.origin ? { Authorization: authorization.value } : {}),
      ...forProxy,
    };
    const lines = [
      `GET ${prefix}${requestTarget(location.url)} HTTP/1.1`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    return lines.every((line) => /^[\x20-\x7e]+$/.test(line)) ? `${lines.join('\r\n')}\r\n\r\n` : undefined;
  }
}

function drop(connection: SocketConnection): void {
  connection.release();
  connection.destroy();
}
