/** How long the rate of a number is remembered, in milliseconds. */
const KNOWN_MS = 60_000;
/** A rate estimated from that of fewer connections may be off by this factor. */
const MARGIN = 1.1;

/** What so many connections brought lately, in bytes per millisecond. */
export class KnownRates {
  #known: { readonly limit: number; readonly rate: number; readonly at: number }[] = [];

  remember(now: number, limit: number, rate: number): void {
    this.#known = this.#known.filter((known) => known.limit !== limit && now - known.at < KNOWN_MS);
    this.#known.push({ limit, rate, at: now });
  }

  /**
   * Whether it is known that `wanted` connections bring less than `rate`: at least so many did, but fewer than `limit`,
   * or the share of each of even fewer, which no connection exceeds beside more others, is too little.
   */
  bringLess(now: number, wanted: number, { limit, rate }: { limit: number; rate: number }): boolean {
    return this.#known.some((known) => {
      if (now - known.at >= KNOWN_MS || known.limit >= limit || known.rate >= rate) return false;
      return known.limit >= wanted || (known.rate / known.limit) * wanted * MARGIN < rate;
    });
  }
}
