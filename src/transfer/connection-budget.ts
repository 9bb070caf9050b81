/** Connections to begin with: enough for most links, few enough to be polite. */
const START = 8;
/** How long throughput is measured at one number of connections, in milliseconds. */
const WINDOW_MS = 150;
/** New connections that have brought nothing by then are not waited for. */
const SETTLE_MS = 1500;
/** How long a number that proved best is kept before the next is tried. */
const HOLD_MS = 4000;
/** After a refusal or a reset, growth pauses for so long. */
const TROUBLE_HOLD_MS = 10_000;
/** Throughput must rise by this factor for more connections to be worth having. */
const WORTHWHILE = 1.1;

type Phase = 'settling' | 'measuring' | 'holding';

/**
 * How many connections large files get: more while more of them bring more, fewer when they do not or
 * when the server complains. No fixed number is right: a fast link wants few, one that is capped per
 * connection wants many. A pure state machine: times are arguments, in milliseconds.
 */
export class ConnectionBudget {
  readonly #most: number;
  #limit: number;
  #phase: Phase = 'settling';
  #changedAt: number;
  #windowStart = 0;
  #windowBytes = 0;
  /** The number before the last growth and what it brought, in bytes per millisecond. */
  #before: { readonly limit: number; readonly rate: number } | undefined;

  constructor(most: number, now: number) {
    this.#most = most;
    this.#limit = Math.min(START, most);
    this.#changedAt = now;
  }

  /** Connections that large files may have now. */
  get limit(): number {
    return this.#limit;
  }

  /**
   * Learns from the state of the run. `bytes` is all that came so far, `delivering` how many connections
   * have brought something. Returns true if the limit has changed.
   */
  observe(now: number, bytes: number, delivering: number): boolean {
    switch (this.#phase) {
      case 'settling':
        if (delivering >= this.#limit || now - this.#changedAt >= SETTLE_MS) this.#measure(now, bytes);
        return false;
      case 'holding':
        if (now >= this.#changedAt) this.#measure(now, bytes);
        return false;
      case 'measuring': {
        const elapsed = now - this.#windowStart;
        return elapsed >= WINDOW_MS && this.#decide(now, (bytes - this.#windowBytes) / elapsed);
      }
    }
  }

  /** The server refused, or connections broke: half as many, and no growth for a while. */
  trouble(now: number): void {
    // One event meets many connections: it counts once.
    if (this.#phase === 'holding' && this.#changedAt - now > TROUBLE_HOLD_MS - 1000) return;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#hold(now + TROUBLE_HOLD_MS);
  }

  #measure(now: number, bytes: number): void {
    this.#phase = 'measuring';
    this.#windowStart = now;
    this.#windowBytes = bytes;
  }

  #decide(now: number, rate: number): boolean {
    const { limit } = this.#before ?? { limit: this.#limit };
    if (this.#before !== undefined && rate < this.#before.rate * WORTHWHILE) {
      this.#limit = limit;
      this.#hold(now + HOLD_MS);
      return true;
    }
    if (this.#limit >= this.#most) {
      this.#hold(now + HOLD_MS);
      return false;
    }
    this.#before = { limit: this.#limit, rate };
    this.#limit = Math.min(this.#most, this.#limit * 2);
    this.#phase = 'settling';
    this.#changedAt = now;
    return true;
  }

  #hold(until: number): void {
    this.#phase = 'holding';
    this.#before = undefined;
    this.#changedAt = until;
  }
}
