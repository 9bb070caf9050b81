import type { Dialer } from '../../../http/dialer.ts';
import { emptyAnswer, networkError, type Phase, stalledError } from '../../../http/network-error.ts';
import type { ProxyAddress } from '../../../http/network-settings.ts';
import { StallWatch } from '../../../http/stall-watch.ts';
import { redactUrl } from '../../../http/url.ts';
import { FetchError } from '../../../model/error.ts';
import type { Clock } from '../../../system/clock.ts';
import type { RateReservation } from '../rate-limiter.ts';
import type { RangeObserver } from '../transport.ts';
import type { SocketConnection } from './socket-connection.ts';
import { SocketExchange, type SocketExchangeEnd, type SocketJob } from './socket-exchange.ts';
import type { WriteCoalescer } from './write-coalescer.ts';

/** An address is slow if nothing was received for this long when its request was stopped. */
const SLOW_MS = 5000;

/** The request as it goes over the wire, and how it is sent. */
export interface SocketRequest {
  readonly url: URL;
  /** The head of the request. */
  readonly text: string;
  /** Value of its Range header, for `trace`. */
  readonly range: string;
  readonly proxy: ProxyAddress | undefined;
  readonly reservation: RateReservation;
  readonly signal: AbortSignal;
}

export interface WatchedExchangeContext {
  readonly clock: Clock;
  readonly stallTimeoutMs: number;
  readonly trace: (message: string) => void;
  readonly dialer: Dialer;
  readonly coalescer: WriteCoalescer;
  /** An idle connection, or a new one that reports its phases. */
  readonly connect: (onPhase: (phase: Phase) => void) => SocketConnection;
  /** Takes the connection back; it must be closed if it is not reusable. */
  readonly giveBack: (connection: SocketConnection, reusable: boolean) => void;
}

/**
 * One exchange under watch: ends it on silence and on abort, pauses it for the rate limit, and names its failures.
 */
export class WatchedExchange implements SocketExchangeEnd {
  readonly #request: SocketRequest;
  readonly #context: WatchedExchangeContext;
  readonly #startedAt: number;
  readonly #watch: StallWatch;
  readonly #connection: SocketConnection;
  /** The connection has served another request before. */
  readonly #isReused: boolean;
  readonly #exchange: SocketExchange;
  readonly #onAbort = () => this.#stop();
  #phase: Phase = 'head';
  #receivedAt: number;
  /** Ends a pause that the rate limit asked for. */
  #endPause = () => {};
  #resolve = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor(
    job: SocketJob,
    observer: RangeObserver,
    request: SocketRequest,
    context: WatchedExchangeContext,
  ) {
    const { clock, stallTimeoutMs } = context;
    this.#request = request;
    this.#context = context;
    this.#startedAt = clock.monotonic();
    this.#receivedAt = this.#startedAt;
    this.#watch = new StallWatch(clock, stallTimeoutMs, () => this.#stall());
    this.#connection = context.connect((phase) => this.#enter(phase));
    this.#isReused = this.#connection.served > 0;
    this.#exchange = new SocketExchange(job, observer, { ...context, ...request }, this);
  }

  /** Sends the request. Rejects with a FetchError, with UnsupportedResponse, or with the signal's reason. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#request.signal.addEventListener('abort', this.#onAbort, { once: true });
      this.#connection.use(this.#exchange, this.#request.text);
    });
  }

  received(bytes: number): void {
    const { clock } = this.#context;
    const delay = this.#request.reservation.received(bytes);
    // Bytes of the head are not progress.
    if (this.#phase === 'body') this.#watch.touch(delay);
    this.#receivedAt = clock.monotonic() + delay;
    if (delay === 0) return;
    this.#connection.pause();
    const cancel = clock.after(delay, () => this.#connection.resume());
    this.#endPause = () => {
      cancel();
      this.#connection.resume();
    };
  }

  answered(status: number): void {
    this.#enter('body');
    this.#trace(String(status));
  }

  done(reusable: boolean): void {
    this.#context.giveBack(this.#connection, reusable);
    this.#settle();
    this.#resolve();
  }

  failed(error: unknown, reusable: boolean): void {
    this.#context.giveBack(this.#connection, reusable);
    this.#settle();
    this.#reject(error);
  }

  broken(error: Error | undefined): void {
    const { signal } = this.#request;
    const { silent, empty } = this.#exchange;
    if (silent) this.#trace('failed');
    if (empty || (silent && !this.#isReused && !signal.aborted)) this.#avoidAddress();
    this.#settle();
    this.#reject(signal.aborted ? signal.reason : this.#nameBreak(error));
  }

  #settle(): void {
    this.#watch.stop();
    this.#endPause();
    this.#request.signal.removeEventListener('abort', this.#onAbort);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#watch.touch();
  }

  #stall(): void {
    const { url, proxy } = this.#request;
    const { stallTimeoutMs } = this.#context;
    this.#avoidAddress();
    this.#connection.destroy(stalledError(url, stallTimeoutMs, { phase: this.#phase, proxy }));
  }

  #stop(): void {
    if (this.#context.clock.monotonic() - this.#receivedAt >= SLOW_MS) this.#avoidAddress();
    this.#connection.destroy();
  }

  #nameBreak(error: Error | undefined): FetchError {
    const { url, proxy } = this.#request;
    const { silent, empty } = this.#exchange;
    if (empty && !(error instanceof FetchError)) return emptyAnswer(url, this.#connection.address);
    const isSilentReuse = this.#isReused && silent;
    // A server may close an idle connection at any time: not an error before the first byte of a response.
    const code = isSilentReuse ? 'ECONNRESET' : undefined;
    const cause = error ?? Object.assign(new Error('the connection was closed'), { code });
    return networkError(cause, url, isSilentReuse, { phase: this.#phase, proxy });
  }

  /** Later requests prefer other addresses of this host. */
  #avoidAddress(): void {
    const { address } = this.#connection;
    if (address !== undefined) this.#context.dialer.failed(this.#request.url.hostname, address);
  }

  #trace(outcome: string): void {
    const { url, range } = this.#request;
    const elapsedMs = Math.round(this.#context.clock.monotonic() - this.#startedAt);
    this.#context.trace(`GET ${redactUrl(url)} ${range}: ${outcome}, ${elapsedMs} ms`);
  }
}
