/**
 * Lets the first few of many equal messages through and counts the rest: when a hub fails, sixty connections report
 * it within one second, and one line with a count is easier to read.
 */
export class Burst {
  readonly #limit: number;
  readonly #windowMs: number;
  #endsAt = Number.NEGATIVE_INFINITY;
  #admitted = 0;
  #held = 0;

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  /** Whether this message may be shown. Others are counted until `drain`. */
  admit(now: number): boolean {
    if (now >= this.#endsAt && this.#held === 0) {
      this.#endsAt = now + this.#windowMs;
      this.#admitted = 0;
    }
    if (this.#admitted < this.#limit && this.#held === 0) {
      this.#admitted += 1;
      return true;
    }
    this.#held += 1;
    return false;
  }

  /** How many were held back, once their window is over; 0 before that. */
  drain(now: number): number {
    return now >= this.#endsAt ? this.drainNow() : 0;
  }

  drainNow(): number {
    const held = this.#held;
    this.#held = 0;
    return held;
  }
}
