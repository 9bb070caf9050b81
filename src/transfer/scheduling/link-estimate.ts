import { lastShare } from './last-requests.ts';

const MIB = 1024 * 1024;

/**
 * A request should bring this many times what would have arrived during the wait for its first byte: then a
 * connection waits at most a quarter of its time.
 */
const WAITS = 3;
/** Shorter waits count as this, in milliseconds: each request costs work at both ends. */
const MIN_WAIT_MS = 60;
/** Bytes. With smaller requests, their cost would dominate. */
const MIN_BYTES = 4 * MIB;
/** Bytes. A longer request gains nothing and loses more when it breaks. */
const MAX_BYTES = 64 * MIB;

/** Guesses until something is measured: storage takes this many times as long as the Hub, and delivers 28 MiB/s. */
const HUB_WAITS = 3;
const GUESSED_HUB_WAIT_MS = 40;
const MAX_GUESSED_WAIT_MS = 350;
const GUESSED_RATE = 29_360;
const MIN_GUESSED_BYTES = 8 * MIB;
/** Requests that start together differ in size, the first the smallest, so that they end one after another. */
const FIRST_SIZE = 0.6;
const LAST_SIZE = 1;

/**
 * A share of the last bytes comes in this many requests: rates vary, and what is not yet requested can be shared anew. One
 * that arrives within so many waits comes in one: another wait would cost more.
 */
const SHARE_PARTS = 1.5;
const WHOLE_SHARE_WAITS = 2;
/** The shortest request near the end, as a fraction of the usual length. */
const SHORTEST = 0.2;

/** Later sizes vary by this fraction, so that connections do not all wait for first bytes at the same time. */
const SPREAD = 0.25;
/** The fractional parts of its multiples are evenly distributed. */
const GOLDEN_RATIO = 0.618;

/** Weight of a new measurement: of the wait, and of the rate, which is measured far more often. */
const WAIT_WEIGHT = 0.2;
const RATE_WEIGHT = 0.05;

/** Decides the length of requests from what they cost and bring. */
export interface SegmentSizing {
  /** From a request to its first byte, in milliseconds; 0 until measured. */
  readonly waitMs: number;
  /** Bytes per millisecond of one connection; 0 until measured. */
  readonly rate: number;
  /**
   * Bytes of the next request, with this many connections and `left` bytes waiting. `freeIn`: in how many milliseconds
   * each of them can send a request; one can at once.
   */
  segmentBytes(left: number, connections: number, freeIn: () => readonly number[]): number;
  /** A request of the size that was last returned was sent. */
  taken(): void;
  /** A request got its first byte. `fresh`: its connection was new. */
  firstByte(waitMs: number, fresh: boolean): void;
  /** A connection receives this many bytes per millisecond. */
  measured(rate: number): void;
}

/** Measured cost and yield of requests for parts of large files. Times are milliseconds. */
export class LinkEstimate implements SegmentSizing {
  readonly #guessedWaitMs: number;
  /** Wait on connections that have served before, and on new ones. */
  #warmMs: number | undefined;
  #freshMs: number | undefined;
  /** Bytes per millisecond of one connection. */
  #rate: number | undefined;
  #taken = 0;

  /** `hubWaitMs`: how long the Hub took for an answer. */
  constructor(hubWaitMs: number = GUESSED_HUB_WAIT_MS) {
    this.#guessedWaitMs = Math.min(MAX_GUESSED_WAIT_MS, HUB_WAITS * hubWaitMs);
  }

  get waitMs(): number {
    return this.#warmMs ?? this.#freshMs ?? 0;
  }

  get rate(): number {
    return this.#rate ?? 0;
  }

  taken(): void {
    this.#taken += 1;
  }

  firstByte(waitMs: number, fresh: boolean): void {
    if (fresh) this.#freshMs = smoothed(this.#freshMs, waitMs, WAIT_WEIGHT);
    else this.#warmMs = smoothed(this.#warmMs, waitMs, WAIT_WEIGHT);
  }

  measured(rate: number): void {
    this.#rate = smoothed(this.#rate, rate, RATE_WEIGHT);
  }

  /** Near the end requests are shorter, so that all connections stay busy and end at about the same time. */
  segmentBytes(left: number, connections: number, freeIn: () => readonly number[]): number {
    if (this.#rate === undefined) {
      const guessed = this.#guessed(connections);
      return Math.max(MIN_BYTES, guessed / 2, Math.min(guessed, left / (2 * connections)));
    }
    const wanted = this.#wanted(this.#rate);
    // The share of the connection that asks first is the largest.
    const equal = left / (SHARE_PARTS * connections);
    const bytes =
      equal >= wanted ? wanted : this.#lastBytes(lastShare(left, this.#rate, freeIn()), this.#rate);
    return Math.max(MIN_BYTES, SHORTEST * wanted, Math.min(wanted, bytes));
  }

  #lastBytes(share: number, rate: number): number {
    return share / rate < WHOLE_SHARE_WAITS * this.waitMs ? share : share / SHARE_PARTS;
  }

  #guessed(connections: number): number {
    const waitMs = this.#warmMs ?? this.#freshMs ?? this.#guessedWaitMs;
    const bytes = Math.min(MAX_BYTES, Math.max(MIN_GUESSED_BYTES, WAITS * waitMs * GUESSED_RATE));
    return bytes * (FIRST_SIZE + (LAST_SIZE - FIRST_SIZE) * Math.min(1, this.#taken / connections));
  }

  #wanted(rate: number): number {
    const bytes = Math.min(MAX_BYTES, WAITS * Math.max(MIN_WAIT_MS, this.waitMs) * rate);
    const turn = (this.#taken * GOLDEN_RATIO) % 1;
    return bytes * (1 + SPREAD * (turn - 0.5));
  }
}

function smoothed(before: number | undefined, now: number, weight: number): number {
  return before === undefined ? now : (1 - weight) * before + weight * now;
}
