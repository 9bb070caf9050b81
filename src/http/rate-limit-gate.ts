import type { Clock } from '../system/clock.ts';
import { parseRateLimit, serverDelay } from './retry-after.ts';

type Headers = { readonly [name: string]: string | string[] | undefined };

/** A server cannot hold us longer than twice the Hub's window of five minutes. */
const MAX_HOLD_MS = 600_000;

/**
 * Answers that succeed and say "nothing left" hold us so often in a row. Who serves on and still says so counts nothing:
 * it is believed again when it refuses (429), or has something left.
 */
const MAX_HOLDS_IN_A_ROW = 2;

/**
 * Holds back requests to a server whose quota is used up, for all connections together: one that hears
 * "0 left, 90 seconds to go" stops the others too. Buckets are named by the caller.
 */
export class RateLimitGate {
  readonly #clock: Clock;
  readonly #onHold: (bucket: string, delayMs: number) => void;
  readonly #closedUntil = new Map<string, number>();
  /** By bucket: how often in a row successful answers have closed it. */
  readonly #inARow = new Map<string, number>();

  constructor(clock: Clock, onHold: (bucket: string, delayMs: number) => void) {
    this.#clock = clock;
    this.#onHold = onHold;
  }

  /** Learns from the head of an answer. `quota` is what the server calls the bucket. */
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
    // While it is closed, those who had passed before still bring their answers: they are one hold together.
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
