import { Descent, type Drop } from './descent.ts';
import { type Fall, FallWatch, type Look } from './fall-watch.ts';

/** Milliseconds that the number is kept after a collapse; doubles with each. */
const HOLD_MS = 15_000;
const MAX_HOLD_MS = 600_000;
/** A number that collapsed is not tried again for this many times as long. */
const AVOIDED_FACTOR = 8;
/** After a false alarm, before more are tried. */
const AFTER_ALARM_MS = 4000;
/** Two silences within this time that fewer connections ended are not chance. */
const SILENCES_MS = 60_000;

/** What is to be done about a collapse now. */
export interface CollapseStep {
  readonly limit: number;
  readonly drop: Drop;
  /** The number stays until then; undefined while others are tried. */
  readonly holdUntil: number | undefined;
  /** Set the first time in this run that fewer connections proved to bring more: the number that did not. */
  readonly insteadOf: number | undefined;
}

/** Detects when too many connections starve each other, and finds a better number. Pure. */
export class Collapses {
  readonly #falls: FallWatch;
  /** Descending from a number of connections; `said` is the message for people. */
  #descent: { readonly steps: Descent; readonly from: number; readonly said: number } | undefined;
  /** The smallest number that collapsed lately. */
  #avoided: { readonly limit: number; readonly until: number } | undefined;
  #holdMs = HOLD_MS;
  #silentAt = Number.NEGATIVE_INFINITY;
  #proved = false;
  /** The number before the last step up is believed to do better than `from`. */
  #believed: { readonly good: number; readonly from: number } | undefined;

  /** `allowed`: bytes per millisecond that the user allows; undefined for all there are. */
  constructor(allowed: number | undefined) {
    this.#falls = new FallWatch(allowed);
  }

  /** A lower number is being looked for. */
  get busy(): boolean {
    return this.#descent !== undefined;
  }

  /** Whether it is known that connections do not starve from the start. */
  get judged(): boolean {
    return this.#falls.judged;
  }

  /** `good`: the number before the one that is just tried, if that is larger. */
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
      // What came before a silence comes again.
      if (!verdict.resumed) this.#falls.falseAlarm(now);
      return { limit: from, drop: 'none', holdUntil: now + AFTER_ALARM_MS, insteadOf: undefined };
    }
    const believed = this.#believed?.good === limit ? this.#believed : undefined;
    if (fall === undefined) return undefined;
    this.#believed = undefined;
    if (fall === 'well')
      return believed && { limit, drop: 'none', holdUntil: undefined, insteadOf: this.#proof(believed.from) };
    if (good !== undefined && good < limit && fall.kind !== 'silent') return this.tooMany(now, good, limit);
    return this.#descend(now, fall, limit, believed?.from ?? limit);
  }

  /** `tried` connections collapsed, and `good` did well before. */
  tooMany(now: number, good: number, tried: number): CollapseStep {
    this.#believed = { good, from: tried };
    return { limit: good, drop: 'excess', holdUntil: this.#avoid(now, tried), insteadOf: undefined };
  }

  /** Until when the number stays as it is. `bad` is the smallest that is known to collapse. */
  #avoid(now: number, bad: number): number {
    this.#avoided = { limit: bad, until: now + AVOIDED_FACTOR * this.#holdMs };
    const holdUntil = now + this.#holdMs;
    this.#holdMs = Math.min(this.#holdMs * 2, MAX_HOLD_MS);
    return holdUntil;
  }

  /** Said once. */
  #proof(from: number): number | undefined {
    const insteadOf = this.#proved ? undefined : from;
    this.#proved = true;
    return insteadOf;
  }

  /** The most that may be tried: half the way to a number that collapsed. */
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
