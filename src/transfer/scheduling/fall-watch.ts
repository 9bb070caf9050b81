/** Throughput is summed over slots of this length, in milliseconds. */
const SLOT_MS = 500;
/** Slots per judgement: longer than the wait for a first byte, or its waves would look like falls. */
const WINDOW_SLOTS = 4;
/** How far back throughput is remembered, in milliseconds. */
const MEMORY_MS = 60_000;
/** Throughput has fallen if the best of late was this many times as much. */
const FALL = 4;
/** If every connection has less than this many bytes per millisecond from the start, fewer may do better. */
export const STARVED_RATE = 100;
/** Milliseconds without any byte that count as silence. */
const SILENT_MS = 5000;
/** After a gap of this length between two observations the process was suspended: the time between is ignored. */
const HALTED_MS = 2000;
/** When bytes return after so many milliseconds without any, their rate is measured anew, if that was not so lately. */
const AWAY_MS = 2000;
const RARELY_MS = 20_000;
/** Milliseconds to wait for the first bytes of new connections. */
const READY_MS = 3000;
/** Milliseconds without an alarm after a false one; doubles with each. */
const QUIET_MS = 30_000;
const MAX_QUIET_MS = 600_000;

/** A throughput that is too low. Rates are bytes per millisecond. */
export interface Fall {
  /**
   * `fell`: it was four times as much recently. `starved`: it never was more than a trickle. `silent`: nothing
   * arrives any more.
   */
  readonly kind: 'fell' | 'starved' | 'silent';
  readonly rate: number;
  /** The best rate of the last minute, scaled to this number of connections; 0 if unknown. */
  readonly expected: number;
}

export interface Look {
  readonly now: number;
  /** Total bytes so far. */
  readonly bytes: number;
  /** Connections for large files: how many are allowed, at work, and have received something. */
  readonly limit: number;
  readonly active: number;
  readonly delivering: number;
}

interface Slot {
  readonly bytes: number;
  readonly ms: number;
  readonly active: number;
}

/**
 * Detects when the connections at work bring much less than they did. Observes only while about as many are at work
 * as allowed: the end of a run, a full verification queue, or a wait for the Hub are not falls. Under `--limit-rate`,
 * only less than a quarter of that rate is a fall. Pure: times are arguments.
 */
export class FallWatch {
  /** Bytes per millisecond that the user allows; undefined for no limit. */
  readonly #allowed: number | undefined;
  #limit = 0;
  #since = 0;
  #seenAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #byteAt = 0;
  #returnedAt = Number.NEGATIVE_INFINITY;
  #slot: { at: number; bytes: number; active: number } | undefined;
  #slots: Slot[] = [];
  #best: { readonly at: number; readonly rate: number; readonly active: number }[] = [];
  #judged = false;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #quietMs = QUIET_MS;

  constructor(allowed?: number) {
    this.#allowed = allowed;
  }

  /** Whether it is known that connections do not starve from the start. */
  get judged(): boolean {
    return this.#judged;
  }

  /** `well`: a whole window was observed, and its rate is as expected. */
  observe(look: Look): Fall | 'well' | undefined {
    const { now, bytes, limit, active } = look;
    const halted = now - this.#seenAt > HALTED_MS || this.#returned(now, bytes);
    this.#seenAt = now;
    if (bytes > this.#bytes || halted || active < limit / 2) this.#byteAt = now;
    this.#bytes = bytes;
    if (limit !== this.#limit) {
      this.#limit = limit;
      this.#since = now;
      this.#restart();
    }
    if (halted || active < limit / 2 || active === 0) this.#restart();
    else if (this.#fill(look)) {
      const verdict = this.#judge(now);
      // What is done about a fall is judged by what comes after it.
      if (verdict !== undefined && verdict !== 'well') this.#restart();
      return verdict;
    }
    return undefined;
  }

  /** A better number was found: a low rate with it is not a new alarm. */
  cured(): void {
    this.#judged = true;
  }

  /** The alarm was false: the current rate is the new normal. */
  falseAlarm(now: number): void {
    this.#best = [];
    this.#restart();
    this.#judged = true;
    this.#quietUntil = now + this.#quietMs;
    this.#quietMs = Math.min(this.#quietMs * 2, MAX_QUIET_MS);
  }

  /** Expected rate of this many connections, by the best of the last minute; 0 if unknown. */
  expected(now: number, active: number): number {
    this.#best = this.#best.filter(({ at }) => now - at < MEMORY_MS);
    return Math.max(0, ...this.#best.map((one) => one.rate * Math.min(1, active / one.active)));
  }

  /** The first bytes after a silence are the end of it, and no fall. */
  #returned(now: number, bytes: number): boolean {
    const returned = bytes > this.#bytes && now - this.#byteAt >= AWAY_MS;
    if (!returned || now - this.#returnedAt < RARELY_MS) return false;
    this.#returnedAt = now;
    return true;
  }

  #restart(): void {
    this.#slot = undefined;
    this.#slots = [];
  }

  /** True when a slot is full. */
  #fill({ now, bytes, limit, active, delivering }: Look): boolean {
    if (this.#slot === undefined) {
      const ready = delivering >= limit / 2 || now - this.#since >= READY_MS;
      if (ready) this.#slot = { at: now, bytes, active };
      return false;
    }
    const { at, bytes: before } = this.#slot;
    this.#slot.active = Math.min(this.#slot.active, active);
    if (now - at < SLOT_MS) return false;
    this.#slots.push({ bytes: bytes - before, ms: now - at, active: this.#slot.active });
    if (this.#slots.length > WINDOW_SLOTS) this.#slots.shift();
    this.#slot = { at: now, bytes, active };
    return this.#slots.length === WINDOW_SLOTS;
  }

  #judge(now: number): Fall | 'well' | undefined {
    const bytes = this.#slots.reduce((sum, slot) => sum + slot.bytes, 0);
    const over = bytes / this.#slots.reduce((sum, slot) => sum + slot.ms, 0);
    const last = this.#slots.at(-1)!;
    // Half of a window may be from before the fall: its end decides.
    const rate = Math.min(over, last.bytes / last.ms);
    const active = Math.min(...this.#slots.map((slot) => slot.active));
    const expected = this.expected(now, active);
    const first = !this.#judged && expected === 0;
    if (last.bytes === 0) {
      const long = now - this.#byteAt >= SILENT_MS && now >= this.#quietUntil;
      return long && expected > 0 ? { kind: 'silent', rate, expected } : undefined;
    }
    const held = this.#allowed !== undefined && over >= this.#allowed / FALL;
    const alarming = !held && active > 1 && now >= this.#quietUntil;
    if (alarming && over < expected / FALL && last.bytes / last.ms < expected / FALL)
      return { kind: 'fell', rate, expected };
    if (alarming && first && over / active < STARVED_RATE) return { kind: 'starved', rate, expected };
    // The rate falls within this window: it is neither a verdict nor a reference.
    if (alarming && last.bytes / last.ms < over / FALL) return undefined;
    this.#judged = true;
    this.#best.push({ at: now, rate: over, active });
    return 'well';
  }
}
