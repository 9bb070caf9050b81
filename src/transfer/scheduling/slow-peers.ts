/** Rates are those of this time, in milliseconds: long enough for requests that have just begun. */
const WINDOW_MS = 750;
/** Bytes per millisecond. Peers that are faster together are not compared with the source, which then sends nothing. */
const SLOW_RATE = 5000;
/** The source takes over if it is this much faster. */
const FASTER = 2;
/** Shorter times tell something from so many bytes on. */
const ENOUGH_BYTES = 1024 * 1024;
/** How long what is known of the source counts, in milliseconds. */
const FRESH_MS = 30_000;
/** How long nothing more is tried while nothing is known, in milliseconds. */
const TRY_AGAIN_MS = 500;

/** Bytes of one side, counted while it has requests. */
class Meter {
  active = 0;
  rate: number | undefined;
  measuredAt = 0;
  #since = 0;
  #bytes = 0;

  began(now: number): void {
    if (this.active === 0) this.#startAt(now);
    this.active += 1;
  }

  wrote(bytes: number, now: number): void {
    this.#bytes += bytes;
    if (now - this.#since >= WINDOW_MS) this.#measure(now);
  }

  ended(now: number): void {
    this.active -= 1;
    if (this.active === 0 && this.#bytes >= ENOUGH_BYTES) this.#measure(now);
  }

  #measure(now: number): void {
    this.rate = this.#bytes / Math.max(1, now - this.#since);
    this.measuredAt = now;
    this.#startAt(now);
  }

  #startAt(now: number): void {
    this.#since = now;
    this.#bytes = 0;
  }
}

/**
 * Whether the source is to bring what peers have, because they are slow beside it. Where they are slow together, one request
 * asks the source, which shows how fast that is. A pure state machine: times are arguments, in milliseconds of one clock.
 */
export class SlowPeers {
  readonly peers: Meter = new Meter();
  readonly source: Meter = new Meter();
  #triedAt: number | undefined;

  /** Whether a request to a peer ends here, so that the source brings the rest of its segment. One request always stays. */
  leaves(now: number): boolean {
    if (this.peers.active < 2 || !this.#areSlow) return false;
    if (this.#isKnown(now)) return this.areBehind(now);
    if (this.source.active > 0) return false;
    if (this.#triedAt !== undefined && now - this.#triedAt < TRY_AGAIN_MS) return false;
    this.#triedAt = now;
    return true;
  }

  /** Whether the source is known to be much faster. */
  areBehind(now: number): boolean {
    if (!this.#areSlow || !this.#isKnown(now)) return false;
    return (this.source.rate ?? 0) > FASTER * (this.peers.rate ?? 0);
  }

  get #areSlow(): boolean {
    return this.peers.rate !== undefined && this.peers.rate < SLOW_RATE;
  }

  #isKnown(now: number): boolean {
    return this.source.rate !== undefined && now - this.source.measuredAt < FRESH_MS;
  }
}
