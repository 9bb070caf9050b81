import type { Clock } from '../system/clock.ts';
import { parseRateLimit, serverDelay } from './retry-after.ts';

type Headers = { readonly [name: string]: string | string[] | undefined };

/** The longest wait that a server can cause: two of the Hub's windows of five minutes. */
const MAX_HOLD_MS = 600_000;

/**
 * Successful answers with an exhausted quota close the gate at most this often in a row: a server that keeps serving
 * with "0 left" does not enforce it. A 429, or an answer with some quota left, resets the count.
 */
const MAX_HOLDS_IN_A_ROW = 2;

/**
 * Holds requests back while the server's quota is used up, for all connections together: an answer "0 left, 90 seconds
 * to go" to one of them stops the others too. The caller names the buckets.
 */
export class RateLimitGate {
  readonly #clock: Clock;
  readonly #onHold: (bucket: string, delayMs: number) => void;
  readonly #closedUntil = new Map<string, number>();
  /** By bucket: how often in a row successful answers closed it. */
  readonly #inARow = new Map<string, number>();

  constructor(clock: Clock, onHold: (bucket: string, delayMs: number) => void) {
    this.#clock = clock;
    this.#onHold = onHold;
  }

  /** Reads the quota from the head of an answer. `quota` is the server's name of the bucket. */
  observe(bucket: string, status: number, headers: Headers, quota: string = bucket): void {
    const refused = status === 429;
    const delay = refused ? serverDelay(headers, this.#clock.now()) : exhaustedFor(headers, quota);
    if (refused || delay === undefined) this.#inARow.delete(bucket);
    if (delay === undefined || delay <= 0) return;
    const now = this.#clock.monotonic();
    const hold = Math.min(delay, MAX_HOLD_MS);
    const until = now + hold;
    const before = this.#closedUntil.get(bucket) ?? 0;
    if (until <= before) return;
    // Answers to requests that passed before the gate closed belong to the same hold.
    const holds = (this.#inARow.get(bucket) ?? 0) + (before <= now && !refused ? 1 : 0);
    if (holds > MAX_HOLDS_IN_A_ROW) return;
    if (!refused) this.#inARow.set(bucket, holds);
    this.#closedUntil.set(bucket, until);
    if (before <= now) this.#onHold(bucket, hold);
  }

  /** Waits until the bucket has room again. */
  async pass(bucket: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const left = (this.#closedUntil.get(bucket) ?? 0) - this.#clock.monotonic();
      if (left <= 0) return;
      await this.#clock.sleep(left, signal);
    }
  }
}

function exhaustedFor(headers: Headers, quota: string): number | undefined {
  const header = headers['ratelimit'];
  const limit = parseRateLimit(Array.isArray(header) ? header.join(',') : header, quota);
  return limit !== undefined && limit.remaining === 0 ? limit.resetMs + 1000 : undefined;
}
