import { commonHeaders } from '../../../http/common-headers.ts';
import { Connector } from '../../../http/connector.ts';
import { Dialer } from '../../../http/dialer.ts';
import { type ContactedHost, HostPolicy } from '../../../http/host-policy.ts';
import type { Phase } from '../../../http/network-error.ts';
import type { NetworkSettings, ProxyAddress } from '../../../http/network-settings.ts';
import { forwarding } from '../../../http/proxy.ts';
import { formatRange } from '../../../http/range.ts';
import { requestTarget } from '../../../http/url.ts';
import type { ByteRange } from '../../../model/byte-range.ts';
import type { HttpLocation } from '../../../source/location.ts';
import type { Clock } from '../../../system/clock.ts';
import { type RateLimiter, RateReservation } from '../rate-limiter.ts';
import { askedRange, type HttpJob, type RangeObserver, type Transport } from '../transport.ts';
import { SocketConnection } from './socket-connection.ts';
import { type SocketJob, UnsupportedResponse } from './socket-exchange.ts';
import { WatchedExchange } from './watched-exchange.ts';
import { WriteCoalescer } from './write-coalescer.ts';

/** Bytes per read: one system call and one write instead of the sixteen that reads of 64 KiB would take. */
const READ_BYTES = 1024 * 1024;
/**
 * Maximum of idle connections, equal to the maximum of `--connections`. Servers close idle ones after some seconds
 * anyway.
 */
const MAX_IDLE = 256;

/** An address that is its own credential, for one range. */
const SIGNED = { kind: 'http', authorization: undefined, expiresAt: undefined, ranges: 'exact' } as const;
const NOTHING_WRITTEN: RangeObserver = { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} };

export interface SocketTransportOptions {
  readonly userAgent: string;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  readonly limiter: RateLimiter | undefined;
  /** Receives a line for every request and its answer, for `--verbose`. */
  readonly trace: (message: string) => void;
  readonly network?: NetworkSettings | undefined;
  readonly onContact?: (contact: ContactedHost) => void;
  /** Makes the connections; shared with whatever should know the same about addresses. */
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
  readonly #coalescer = new WriteCoalescer();
  readonly #dialer: Dialer;
  readonly #connector: Connector;

  constructor(options: SocketTransportOptions) {
    this.#options = options;
    this.#dialer = options.dialer ?? new Dialer({ clock: options.clock });
    this.#connector = new Connector(options.network, this.#dialer);
    this.#policy = new HostPolicy(options.network, options.onContact);
  }

  async bring(job: SocketJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { window, location } = job;
    // A Range header cannot request zero bytes: the server would send the whole file.
    if (window.position >= window.end) return;
    const url = new URL(location.url);
    if (url.username !== '' || url.password !== '')
      throw new UnsupportedResponse('an address with a password', { lasting: true });
    if (location.ranges === 'none')
      throw new UnsupportedResponse('a host without ranges', { lasting: false });
    this.#policy.admit(url);
    const { clock, limiter } = this.#options;
    const reservation = new RateReservation(limiter, window.end - window.position);
    try {
      const delay = reservation.begin();
      if (delay > 0) await clock.sleep(delay, signal);
      if (window.position < window.end) await this.#exchange(url, job, observer, { signal, reservation });
    } finally {
      reservation.end();
    }
  }

  /**
   * Brings a range of something that is no file of the revision: `take` gets its bytes and says when it has enough. Rejects as `bring` does,
   * and with what `take` throws. Bytes were taken of no response that is not supported.
   */
  async receive(
    { url, bytes, path }: { readonly url: string; readonly bytes: ByteRange; readonly path: string },
    take: (bytes: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const job: SocketJob = {
      location: { ...SIGNED, url, range: bytes },
      path,
      fileSize: bytes.end,
      window: { position: bytes.start, end: bytes.end },
      descriptor: -1,
      take,
    };
    await this.bring(job, NOTHING_WRITTEN, signal);
  }

  async #exchange(
    url: URL,
    job: SocketJob,
    observer: RangeObserver,
    context: { readonly signal: AbortSignal; readonly reservation: RateReservation },
  ): Promise<void> {
    const range = formatRange(askedRange(job));
    const proxy = this.#connector.proxyOf(url);
    const text = this.#requestText(url, job, range, proxy);
    if (text === undefined) throw new UnsupportedResponse('a header that is no text', { lasting: true });
    const { clock, stallTimeoutMs, trace } = this.#options;
    const request = { ...context, url, text, range, proxy };
    const exchange = new WatchedExchange(job, observer, request, {
      clock,
      stallTimeoutMs,
      trace,
      dialer: this.#dialer,
      coalescer: this.#coalescer,
      connect: (onPhase) => this.#connect(url, onPhase),
      giveBack: (connection, reusable) => this.#takeBack(url.origin, connection, reusable),
    });
    await exchange.run();
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

  /** Keeps a connection for the next request, or closes it. */
  #takeBack(origin: string, connection: SocketConnection, reusable: boolean): void {
    connection.release();
    const idle = this.#idle.get(origin) ?? [];
    this.#idle.set(origin, idle);
    const keep = reusable && idle.length < MAX_IDLE && connection.usable && this.#favours(origin, connection);
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
