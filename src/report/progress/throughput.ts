const BUCKET_MS = 250;

/**
 * Measures how fast bytes arrive: a sliding window, divided into buckets, so that the cost does not depend on the
 * number of events, and the rate falls to zero within the window when a connection stalls. Bytes that were held
 * before are not recorded: they would look like speed.
 */
export class Throughput {
  readonly #buckets: Float64Array;
  /** Number of the newest bucket, counted from time zero. */
  #newest = 0;
  #startedAt: number | undefined;

  constructor(windowMs = 5000) {
    // One more than the window needs: the oldest one is partly outside and counts in proportion.
    this.#buckets = new Float64Array(Math.max(1, Math.round(windowMs / BUCKET_MS)) + 1);
  }

  /** Starts the time of the first window; without it, the first record does. */
  start(now: number): void {
    if (this.#startedAt !== undefined) return;
    this.#startedAt = now;
    this.#newest = Math.floor(now / BUCKET_MS);
  }

  record(bytes: number, now: number): void {
    this.start(now);
    this.#advance(now);
    const index = this.#newest % this.#buckets.length;
    this.#buckets[index] = (this.#buckets[index] ?? 0) + bytes;
  }

  /** Bytes per second over the window that ends now; 0 before anything arrived. */
  rate(now: number): number {
    if (this.#startedAt === undefined) return 0;
    this.#advance(now);
    const count = this.#buckets.length;
    const intoNewest = Math.max(0, now - this.#newest * BUCKET_MS);
    let bytes = 0;
    for (let age = 0; age < count; age += 1) {
      const held = this.#buckets[(this.#newest - age + count) % count] ?? 0;
      bytes += age === count - 1 ? held * Math.max(0, 1 - intoNewest / BUCKET_MS) : held;
    }
    const windowMs = (count - 1) * BUCKET_MS;
    // Shortly after the start the divisor would be almost zero.
    const elapsedMs = Math.min(windowMs, Math.max(BUCKET_MS, now - this.#startedAt));
    return (bytes * 1000) / elapsedMs;
  }

  /** Milliseconds until `remaining` bytes are here at the present rate; undefined when nothing arrives. */
  timeLeft(remaining: number, now: number): number | undefined {
    if (remaining <= 0) return 0;
    const rate = this.rate(now);
    // Below one byte per second the time left is meaningless.
    return rate < 1 ? undefined : (remaining * 1000) / rate;
  }

  /** Milliseconds since the first window began; undefined before that. */
  elapsed(now: number): number | undefined {
    return this.#startedAt === undefined ? undefined : now - this.#startedAt;
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    // If the clock goes back, write into the newest bucket, not into the future of the ring.
    if (bucket <= this.#newest) return;
    const count = this.#buckets.length;
    if (bucket - this.#newest >= count) this.#buckets.fill(0);
    else for (let next = this.#newest + 1; next <= bucket; next += 1) this.#buckets[next % count] = 0;
    this.#newest = bucket;
  }
}
