import type { Fall } from './fall-watch.ts';

/** Fewer are tried only if this many do not help. */
const FEW = 4;
/** Throughput must rise by this factor for fewer connections to be the cure. */
const CURED = 1.5;
/** A rise by this factor needs no longer measurement. */
const CLEARLY_CURED = 4;
/** Part of the expected rate at which the search stops. */
const ENOUGH = 0.25;
/** Connections at this rate, in bytes per millisecond, do not starve each other. */
const HEALTHY_RATE = 400;
const QUICK_MS = 300;
const STEP_MS = 1000;
/** Milliseconds to wait for the first bytes of new connections. */
const SETTLE_MS = 1500;
/** Who waits for a silent server is not disturbed more often. */
const SILENCE_MS = 10_000;

/** Connections to close now: none, those above the limit, or all, to be reopened. */
export type Drop = 'none' | 'excess' | 'all';

/** What a step down comes to. */
export type Verdict =
  | { readonly kind: 'wait' }
  /** On with fewer. `all` connections are made anew, or only those go that are too many. */
  | { readonly kind: 'fewer'; readonly limit: number; readonly drop: Drop }
  /** This number brings more; `collapsed` is the smallest number that did not. */
  | { readonly kind: 'cured'; readonly limit: number; readonly collapsed: number }
  /** It is not the number of connections. `resumed`: all is as it was before. */
  | { readonly kind: 'false alarm'; readonly resumed: boolean };

/**
 * The way down after a fall: half as many, down to 4, then 1, until they bring more than all did before. A
 * server that starves every connection above some number looks, one step at a time, like a link on which
 * more connections bring more: so the way goes on to its end as long as each connection starves.
 *
 * When nothing comes at all, the number is hardly to blame, and requests that wait may still be answered: then
 * half of them are kept. That does little harm where the link is only away for a while.
 */
export class Descent {
  readonly #fall: Fall;
  readonly #from: number;
  readonly #silentBefore: boolean;
  readonly #tried: { readonly limit: number; readonly rate: number }[];
  #limit: number;
  #changedAt: number;
  #window: { readonly at: number; readonly bytes: number } | undefined;

  /** `silentBefore`: the same silence ended not long ago when there were fewer. */
  constructor(fall: Fall, from: number, now: number, silentBefore: boolean) {
    this.#fall = fall;
    this.#from = from;
    this.#silentBefore = silentBefore;
    this.#tried = [{ limit: from, rate: fall.rate }];
    this.#limit = fall.kind === 'starved' && from > FEW ? FEW : fewer(from);
    this.#changedAt = now;
  }

  /** The number to go to at once, and what becomes of the connections. */
  get first(): { readonly limit: number; readonly drop: Drop } {
    return { limit: this.#limit, drop: this.#drop(this.#fall.rate / this.#from) };
  }

  /** `active` and `delivering` connections are at work on large files; `expected` would be as it was. */
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

  /** Bytes come again: by chance, unless the same has happened before. */
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
