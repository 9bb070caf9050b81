import { Descent, type Drop } from './descent.ts';
import { type Fall, FallWatch, type Look } from './fall-watch.ts';

/** Milliseconds for which the number is kept after a collapse; doubles with each. */
const HOLD_MS = 15_000;
const MAX_HOLD_MS = 600_000;
/** A number that collapsed is avoided for this many times as long. */
const AVOIDED_FACTOR = 8;
/** Milliseconds after a false alarm before more are tried. */
const AFTER_ALARM_MS = 4000;
/** Two silences within this time, both ended by fewer connections, are not chance. */
const SILENCES_MS = 60_000;

/** What to do about a collapse now. */
export interface CollapseStep {
  readonly limit: number;
  readonly drop: Drop;
  /** The limit is kept until then; undefined while others are tried. */
  readonly holdUntil: number | undefined;
  /** The number of connections that fewer proved to outperform; set the first time in a run. */
  readonly insteadOf: number | undefined;
}

/** Detects when too many connections starve each other, and finds a better number. Pure. */
export class Collapses {
  readonly #falls: FallWatch;
  /** The search below `from` connections; `said` is the number that messages name. */
  #descent: { readonly steps: Descent; readonly from: number; readonly said: number } | undefined;
  /** The smallest number that collapsed recently. */
  #avoided: { readonly limit: number; readonly until: number } | undefined;
  #holdMs = HOLD_MS;
  #silentAt = Number.NEGATIVE_INFINITY;
  #proved = false;
  /** The number before the last step up is expected to do better than `from`. */
  #believed: { readonly good: number; readonly from: number } | undefined;

  /** `allowed`: bytes per millisecond that the user allows; undefined for no limit. */
  constructor(allowed: number | undefined) {
    this.#falls = new FallWatch(allowed);
  }

  /** A lower number is being searched for. */
  get busy(): boolean {
    return this.#descent !== undefined;
  }

  /** Whether it is known that connections do not starve from the start. */
  get judged(): boolean {
    return this.#falls.judged;
  }

  /** `good`: the number before the one that is being tried, if it did well. */
  observe(look: Look, good: number | undefined): CollapseStep | undefined {
    const { now, bytes, limit, active, delivering } = look;
    const fall = this.#falls.observe(look);
    if (this.#descent !== undefined) {
      const { steps, from, said } = this.#descent;
      const verdict = steps.observe(now, bytes, active, delivering, this.#falls.expected(now, limit));
      if (verdict.kind === 'wait') return undefined;
      if (verdict.kind === 'fewer')
        return { limit: verdict.limit, drop: verdict.drop, holdUntil: undefined, insteadOf: undefined };
      this.#descent = undefined;
      if (verdict.kind === 'cured') {
        this.#falls.cured();
        const holdUntil = this.#avoid(now, verdict.collapsed);
        return { limit: verdict.limit, drop: 'excess', holdUntil, insteadOf: this.#proof(said) };
      }
      // After a silence the earlier rate returns by itself.
      if (!verdict.resumed) this.#falls.falseAlarm(now);
      return { limit: from, drop: 'none', holdUntil: now + AFTER_ALARM_MS, insteadOf: undefined };
    }
    const believed = this.#believed?.good === limit ? this.#believed : undefined;
    if (fall === undefined) return undefined;
    this.#believed = undefined;
    if (fall === 'well')
      return believed && { limit, drop: 'none', holdUntil: undefined, insteadOf: this.#proof(believed.from) };
    // Connections of an earlier, larger limit still receive their segments: they may be the ones that are too many.
    const most = Math.max(active, limit);
    const fewer = [good, limit].find((number) => number !== undefined && number < most);
    // Once: those that cannot be closed, responses with a whole file, stay.
    if (fewer !== undefined && believed === undefined && fall.kind !== 'silent')
      return this.tooMany(now, fewer, most);
    return this.#descend(now, fall, limit, believed?.from ?? limit);
  }

  /** `tried` connections collapsed; `good` did well before, or is expected to. */
  tooMany(now: number, good: number, tried: number): CollapseStep {
    this.#believed = { good, from: tried };
    return { limit: good, drop: 'excess', holdUntil: this.#avoid(now, tried), insteadOf: undefined };
  }

  /** Until when the limit is kept. `bad` is the smallest number that is known to collapse. */
  #avoid(now: number, bad: number): number {
    this.#avoided = { limit: bad, until: now + AVOIDED_FACTOR * this.#holdMs };
    const holdUntil = now + this.#holdMs;
    this.#holdMs = Math.min(this.#holdMs * 2, MAX_HOLD_MS);
    return holdUntil;
  }

  /** Reported once per run. */
  #proof(from: number): number | undefined {
    const insteadOf = this.#proved ? undefined : from;
    this.#proved = true;
    return insteadOf;
  }

  /** The most that may be tried: halfway to a number that collapsed. */
  highest(now: number, limit: number): number {
    if (this.#avoided === undefined || now >= this.#avoided.until) return Number.POSITIVE_INFINITY;
    return Math.floor((limit + this.#avoided.limit) / 2);
  }

  /** The server named its limit: stop searching. */
  cancel(): void {
    this.#descent = undefined;
  }

  #descend(now: number, fall: Fall, from: number, said: number): CollapseStep {
    const silentBefore = now - this.#silentAt < SILENCES_MS;
    if (fall.kind === 'silent') this.#silentAt = now;
    const steps = new Descent(fall, from, now, silentBefore);
    this.#descent = { steps, from, said };
    return { ...steps.first, holdUntil: undefined, insteadOf: undefined };
  }
}
