import type { Clock } from '../system/clock.ts';

/** Bytes that may be taken at once after a pause, as time at the full rate. */
const BURST_MS = 50;

/**
 * A token bucket over all connections of a thread. Bytes are taken after they were read, so the bucket may
 * be in debt; whoever asks is told how long to be quiet. Exact in the long run however large the reads are.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  #tokens = 0;
  #filledAt: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#filledAt = clock.monotonic();
  }

  /** Takes bytes that have come; returns the milliseconds to wait before reading on, 0 for none. */
  take(bytes: number): number {
    const now = this.#clock.monotonic();
    const limit = BURST_MS * this.#bytesPerMs;
    this.#tokens = Math.min(limit, this.#tokens + (now - this.#filledAt) * this.#bytesPerMs) - bytes;
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#bytesPerMs);
  }
}
