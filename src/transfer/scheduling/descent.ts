import type { Fall } from './fall-watch.ts';

/** From this number the search goes directly to 1. */
const FEW = 4;
/** Throughput must rise by this factor to prove that fewer connections help. */
const CURED = 1.5;
/** A rise by this factor needs no longer measurement. */
const CLEARLY_CURED = 4;
/** Fraction of the expected rate at which the search stops. */
const ENOUGH = 0.25;
/** Connections at this rate, in bytes per millisecond, do not starve each other. */
const HEALTHY_RATE = 400;
const QUICK_MS = 300;
const STEP_MS = 1000;
/** Milliseconds to wait for the first bytes of new connections. */
const SETTLE_MS = 1500;
/** While a server is silent, its waiting connections are disturbed at most this often. */
const SILENCE_MS = 10_000;

/** Connections to close now: none, those above the limit, or all, to be reopened. */
export type Drop = 'none' | 'excess' | 'all';

/** The outcome of an observation. */
export type Verdict =
  | { readonly kind: 'wait' }
  /** Continue with fewer connections. */
  | { readonly kind: 'fewer'; readonly limit: number; readonly drop: Drop }
  /** This number does better; `collapsed` is the smallest number that did not. */
  | { readonly kind: 'cured'; readonly limit: number; readonly collapsed: number }
  /** The number of connections is not the cause. `resumed`: the earlier rate is back. */
  | { readonly kind: 'false alarm'; readonly resumed: boolean };

/**
 * The search after a fall: half as many connections, down to 4, then 1, until they bring more than all did before. A
 * server that starves every connection above some number looks, one step at a time, like a link on which more
 * connections bring more: so the search continues to its end as long as each connection starves.
 *
 * If nothing arrives at all, the number is probably not the cause, and waiting requests may still be answered: half
 * of them are kept. That does little harm if the link is only down for a while.
 */
export class Descent {
  readonly #fall: Fall;
  readonly #from: number;
  readonly #silentBefore: boolean;
  readonly #tried: { readonly limit: number; readonly rate: number }[];
  #limit: number;
  #changedAt: number;
  #window: { readonly at: number; readonly bytes: number } | undefined;

  /** `silentBefore`: fewer connections ended a recent silence of the same kind. */
  constructor(fall: Fall, from: number, now: number, silentBefore: boolean) {
    this.#fall = fall;
    this.#from = from;
    this.#silentBefore = silentBefore;
    this.#tried = [{ limit: from, rate: fall.rate }];
    this.#limit = fall.kind === 'starved' && from > FEW ? FEW : fewer(from);
    this.#changedAt = now;
  }

  /** The limit to apply at once, and which connections to close. */
  get first(): { readonly limit: number; readonly drop: Drop } {
    return { limit: this.#limit, drop: this.#drop(this.#fall.rate / this.#from) };
  }

  /**
   * `active` connections work on large files and `delivering` of them receive bytes; `expected` is the rate before
   * the fall.
   */
  observe(now: number, bytes: number, active: number, delivering: number, expected: number): Verdict {
    if (this.#window === undefined) {
      const settled = active <= this.#limit && delivering >= this.#limit;
      const late = now - this.#changedAt >= (this.#fall.kind === 'silent' ? SILENCE_MS : SETTLE_MS);
      if (settled || late || (this.#fall.kind === 'silent' && delivering > 0))
        this.#window = { at: now, bytes };
      return { kind: 'wait' };
    }
    const elapsed = now - this.#window.at;
    if (elapsed < QUICK_MS) return { kind: 'wait' };
    const rate = (bytes - this.#window.bytes) / elapsed;
    const clear = rate >= this.#fall.rate * CLEARLY_CURED && rate >= expected * ENOUGH;
    if (!clear && elapsed < STEP_MS) return { kind: 'wait' };
    this.#tried.push({ limit: this.#limit, rate });
    return this.#judge(now, rate, expected);
  }

  #judge(now: number, rate: number, expected: number): Verdict {
    if (this.#fall.kind === 'silent' && rate > 0) return this.#afterSilence();
    const cured = rate >= this.#fall.rate * CURED && rate > 0;
    if (cured && rate >= expected * ENOUGH) return this.#end();
    if (!cured && rate / this.#limit >= HEALTHY_RATE) return this.#end();
    if (this.#limit === 1) return this.#end();
    this.#limit = fewer(this.#limit);
    this.#changedAt = now;
    this.#window = undefined;
    return { kind: 'fewer', limit: this.#limit, drop: this.#drop(rate / this.#limit) };
  }

  /** Bytes arrive again: by chance, unless the same happened before. */
  #afterSilence(): Verdict {
    if (!this.#silentBefore) return { kind: 'false alarm', resumed: true };
    return { kind: 'cured', limit: this.#limit, collapsed: this.#lowestAbove(this.#limit) };
  }

  #end(): Verdict {
    const best = this.#tried.reduce((left, right) => (right.rate > left.rate ? right : left));
    if (best.limit === this.#from || best.rate < this.#fall.rate * CURED)
      return { kind: 'false alarm', resumed: false };
    return { kind: 'cured', limit: best.limit, collapsed: this.#lowestAbove(best.limit) };
  }

  #lowestAbove(good: number): number {
    return Math.min(...this.#tried.map(({ limit }) => limit).filter((limit) => limit > good));
  }

  /** Starving connections lose nothing by being reopened, and may reach another address. */
  #drop(each: number): Drop {
    return this.#fall.kind === 'silent' || each >= HEALTHY_RATE ? 'excess' : 'all';
  }
}

function fewer(limit: number): number {
  return limit > FEW ? Math.max(FEW, Math.floor(limit / 2)) : 1;
}
