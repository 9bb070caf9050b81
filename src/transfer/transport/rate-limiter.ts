import type { Clock } from '../../system/clock.ts';

/** Burst after a pause, in milliseconds at the full rate. */
const BURST_MS = 50;
/** One read of a connection, in milliseconds at the full rate: larger reads would make the rate jump. */
const STEP_MS = 50;
const MAX_STEP_BYTES = 64 * 1024;
const MIN_STEP_BYTES = 2 * 1024;

/**
 * A token bucket over all connections of a worker. A reader that takes more than is available leaves a debt and is
 * told how long to wait until it is paid; later readers wait longer. So all are served in turn, and the total is
 * exact.
 */
export class RateLimiter {
  /** Maximum of bytes that a connection should read at once. */
  readonly stepBytes: number;
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  #tokens = 0;
  #filledAt: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#filledAt = clock.monotonic();
    const step = Math.round(STEP_MS * this.#bytesPerMs);
    this.stepBytes = Math.min(MAX_STEP_BYTES, Math.max(MIN_STEP_BYTES, step));
  }

  /** Takes bytes; returns the milliseconds to wait before they may be read, 0 for none. */
  take(bytes: number): number {
    const now = this.#clock.monotonic();
    const most = BURST_MS * this.#bytesPerMs;
    this.#tokens = Math.min(most, this.#tokens + (now - this.#filledAt) * this.#bytesPerMs) - bytes;
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#bytesPerMs);
  }

  /** Refunds reserved bytes that were not received. */
  giveBack(bytes: number): void {
    this.#tokens += bytes;
  }
}

/** Tokens of one response: its bytes are reserved before they are read. */
export class RateReservation {
  readonly #limiter: RateLimiter | undefined;
  /** Bytes still expected. */
  #left: number;
  #paid = 0;

  /** Reserves the bytes of one response. Without a limiter there is no wait. */
  constructor(limiter: RateLimiter | undefined, bytes: number) {
    this.#limiter = limiter;
    this.#left = bytes;
  }

  /** Before the request: how long to delay it, in milliseconds. */
  begin(): number {
    return this.#pay();
  }

  /** The response differs from the request: this many bytes are expected. */
  expect(bytes: number): void {
    this.#left = bytes;
  }

  /** Records bytes read; returns the milliseconds to wait before the next read. */
  received(bytes: number): number {
    this.#paid -= bytes;
    this.#left -= bytes;
    return this.#pay();
  }

  /** Nothing more will be read. */
  end(): void {
    this.#limiter?.giveBack(this.#paid);
    this.#paid = 0;
    this.#left = 0;
  }

  #pay(): number {
    if (this.#limiter === undefined) return 0;
    const missing = Math.min(this.#limiter.stepBytes, this.#left) - this.#paid;
    if (missing <= 0) return 0;
    this.#paid += missing;
    return this.#limiter.take(missing);
  }
}
