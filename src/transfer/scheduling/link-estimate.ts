const MIB = 1024 * 1024;

/**
 * A request should bring so many times what could have come while its first byte was awaited: then the waits
 * take a fifth of a connection's time at the most.
 */
const WAITS = 4;
/** Bytes. A longer request gains nothing and loses more when it breaks. */
const LARGEST = 64 * MIB;
/** Weight of a new measurement of the wait, and of the rate, which is measured far more often. */
const WAIT_WEIGHT = 0.2;
const RATE_WEIGHT = 0.05;

/** What requests for parts of large files cost and bring, as measured in this run. Times are milliseconds. */
export class LinkEstimate {
  #waitMs: number | undefined;
  /** Bytes per millisecond of one connection. */
  #rate: number | undefined;

  /** From a request to its first byte, smoothed; 0 until measured. */
  get waitMs(): number {
    return this.#waitMs ?? 0;
  }

  /** Bytes that a request should be for, so that waiting does not dominate; 0 while nothing is known. */
  get requestBytes(): number {
    return Math.min(LARGEST, WAITS * this.waitMs * (this.#rate ?? 0));
  }

  firstByte(waitMs: number): void {
    this.#waitMs = smoothed(this.#waitMs, waitMs, WAIT_WEIGHT);
  }

  measured(rate: number): void {
    this.#rate = smoothed(this.#rate, rate, RATE_WEIGHT);
  }
}

function smoothed(before: number | undefined, now: number, weight: number): number {
  return before === undefined ? now : (1 - weight) * before + weight * now;
}
