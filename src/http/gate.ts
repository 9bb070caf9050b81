import type { Clock } from '../system/clock.ts';
import { parseRateLimit, serverDelay } from './retry-after.ts';

type Headers = { readonly [name: string]: string | string[] | undefined };

/** A server cannot hold us longer than twice the Hub's window of five minutes. */
const LONGEST_HOLD_MS = 600_000;

/**
 * Holds back requests to a server whose quota is used up, for all lanes together: one that hears
 * "0 left, 90 seconds to go" stops the others too. Buckets are named by the caller.
 */
export class RateLimitGate {
  readonly #clock: Clock;
  readonly #onHold: (bucket: string, delayMs: number) => void;
  readonly #closedUntil = new Map<string, number>();

  constructor(clock: Clock, onHold: (bucket: string, delayMs: number) => void) {
    this.#clock = clock;
    this.#onHold = onHold;
  }

  /** Learns from the head of an answer. `quota` is what the server calls the bucket. */
  observe(bucket: string, status: number, headers: Headers, quota: string = bucket): void {
    const delay = status === 429 ? serverDelay(headers, this.#clock.now()) : exhaustedFor(headers, quota);
    if (delay === undefined || delay <= 0) return;
    const until = this.#clock.monotonic() + Math.min(delay, LONGEST_HOLD_MS);
    const before = this.#closedUntil.get(bucket) ?? 0;
    if (until <= before) return;
    this.#closedUntil.set(bucket, until);
    if (before <= this.#clock.monotonic()) this.#onHold(bucket, delay);
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
