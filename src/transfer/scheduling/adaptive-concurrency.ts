import { type CollapseStep, Collapses } from './collapses.ts';
import type { Drop } from './descent.ts';
import { STARVED_RATE } from './fall-watch.ts';

/** Connections to begin with: enough for most links, few enough to be polite. */
const START = 12;
/** If the most is hardly above that, it is the number to begin with: the step would be too small to be measured. */
const HARDLY_MORE = 1.2;
/** Fewer connections can be better only if the machine is the bottleneck: from this rate, in bytes per millisecond. */
const FULL_MACHINE_RATE = 200_000;
/** From this rate, in bytes per millisecond, fewer are tried before more: the link is nearly full. */
const FULL_AT_ONCE_RATE = 350_000;
/** Fewer than this are not tried for the sake of speed. */
const MIN_CONNECTIONS = 4;
/** How long throughput is measured at one number of connections, if the result is clear, in milliseconds. */
const QUICK_MS = 75;
/** And if it is not. */
const LONG_MS = 500;
/** A change by this factor, up or down, is not noise. */
const CLEAR = 1.4;
/** Throughput must rise by this factor for more connections to be worth having. */
const WORTHWHILE = 1.1;
/** On a full machine, fewer are kept unless the rate falls below this factor: each connection costs work at both ends. */
const WORTHWHILE_FEWER = 0.98;
/** Milliseconds to wait for the first bytes of new connections. */
const SETTLE_MS = 1500;
/** How long a number that proved best is kept before others are tried; doubles while it proves best again. */
const HOLD_MS = 4000;
const MAX_HOLD_MS = 32_000;
/** Milliseconds without growth after a refusal; doubles with each. */
const TROUBLE_HOLD_MS = 10_000;
/** Milliseconds before a refused number is tried again. */
const REFUSED_MS = 60_000;
/** Troubles within this time are one. */
const SAME_TROUBLE_MS = 1000;
/** What more connections bring, as a part of what fewer did, when they are too many. */
const COLLAPSED_GAIN = 0.25;
const COLLAPSED_MS = 1500;

type Phase = 'settling' | 'measuring' | 'holding';

/** The limit has changed, or something was found out about it. */
export interface ConcurrencyChange {
  readonly from: number;
  readonly to: number;
  readonly drop: Drop;
  /** The first time in this run that fewer connections proved to bring more: the number that did not. */
  readonly insteadOf: number | undefined;
}

/**
 * How many connections large files get: more while more of them bring more, fewer when they do not or
 * when the server complains. No fixed number is right: a fast link wants few, one that is capped per
 * connection wants many; and a server may starve all when they are too many (`Collapses`). What is learned
 * holds for the run, whose large files come from one host as a rule. A pure state machine: times are
 * arguments, in milliseconds.
 */
export class AdaptiveConcurrency {
  readonly #most: number;
  #limit: number;
  #phase: Phase = 'settling';
  /** When the limit changed, or, while holding, when it may change again. */
  #changedAt: number;
  #windowStart = 0;
  #windowBytes = 0;
  /** All bytes, when it looked last. */
  #seen = 0;
  /** The number before the change that is tried, and what it brought, in bytes per millisecond. */
  #before: { readonly limit: number; readonly rate: number } | undefined;
  /** Fewer were tried first, because of the rate: more are still to be tried if that was wrong. */
  #downFirst = false;
  #holdMs = HOLD_MS;
  #troubleHoldMs = TROUBLE_HOLD_MS;
  #troubledAt = Number.NEGATIVE_INFINITY;
  /** The smallest number that was refused lately. */
  #refused: { readonly limit: number; readonly at: number } | undefined;
  #breaks: number[] = [];
  readonly #collapses: Collapses;
  /** The number that was just tried collapsed. */
  #found: CollapseStep | undefined;

  /** `allowed`: bytes per millisecond that the user allows; undefined for all there are. */
  constructor(most: number, now: number, allowed?: number) {
    this.#most = most;
    this.#collapses = new Collapses(allowed);
    this.#limit = most <= START * HARDLY_MORE ? most : START;
    this.#changedAt = now;
  }

  /** Connections that large files may have now. */
  get limit(): number {
    return this.#limit;
  }

  /**
   * Learns from the state of the run, also when nothing comes. `bytes` is all that came so far; `active`
   * connections are at work on large files, `delivering` of them have brought something.
   */
  observe(
    now: number,
    bytes: number,
    delivering: number,
    active: number = delivering,
  ): ConcurrencyChange | undefined {
    const from = this.#limit;
    const good = this.#before?.limit;
    const look = { now, bytes, limit: from, active, delivering };
    const step = this.#collapses.observe(look, good);
    if (step !== undefined) {
      this.#limit = step.limit;
      this.#before = undefined;
      if (step.holdUntil !== undefined) this.#hold(step.holdUntil);
      return { from, to: step.limit, drop: step.drop, insteadOf: step.insteadOf };
    }
    // `Collapses` handles silence; measurements here start and end with bytes.
    const came = bytes > this.#seen;
    this.#seen = bytes;
    if (this.#collapses.busy || !came) return undefined;
    if (!this.#step(now, bytes, delivering) || this.#limit === from) return undefined;
    const { drop = 'none', insteadOf } = this.#found ?? {};
    this.#found = undefined;
    return { from, to: this.#limit, drop, insteadOf };
  }

  #step(now: number, bytes: number, delivering: number): boolean {
    switch (this.#phase) {
      case 'settling':
        if (this.#settled(now, delivering)) this.#measure(now, bytes);
        return false;
      case 'holding':
        if (now >= this.#changedAt) this.#measure(now, bytes);
        return false;
      case 'measuring': {
        const elapsed = now - this.#windowStart;
        return elapsed >= QUICK_MS && this.#decide(now, elapsed, (bytes - this.#windowBytes) / elapsed);
      }
    }
  }

  /**
   * The server says that it is too much: fewer connections at once, and no growth for a while. `active` are
   * at work on large files.
   */
  refused(now: number, active: number): void {
    // One event meets many connections: it counts once, and those that are too many are known to be.
    if (now - this.#troubledAt < SAME_TROUBLE_MS || active > this.#limit) return;
    this.#troubledAt = now;
    this.#collapses.cancel();
    const tried = this.#limit;
    const before = this.#before?.limit ?? tried;
    if (tried > 1) this.#refused = { limit: tried, at: now };
    this.#limit = before < tried ? before : Math.max(1, Math.floor(tried / 2));
    this.#hold(now + this.#troubleHoldMs);
    this.#troubleHoldMs = Math.min(this.#troubleHoldMs * 2, REFUSED_MS);
  }

  /** A connection broke. One in many is nothing; many at once mean that they are too many. */
  broke(now: number, active: number): void {
    this.#breaks = this.#breaks.filter((at) => now - at < SAME_TROUBLE_MS);
    this.#breaks.push(now);
    if (this.#breaks.length < Math.max(2, this.#limit / 4)) return;
    this.#breaks = [];
    this.refused(now, active);
  }

  /** As many connections deliver as may: those that are too many first end what they are at. */
  #settled(now: number, delivering: number): boolean {
    if (this.#before !== undefined && this.#before.limit > this.#limit && delivering > this.#limit)
      return false;
    return delivering >= this.#limit || now - this.#changedAt >= SETTLE_MS;
  }

  #measure(now: number, bytes: number): void {
    this.#phase = 'measuring';
    this.#windowStart = now;
    this.#windowBytes = bytes;
  }

  #decide(now: number, elapsed: number, rate: number): boolean {
    const before = this.#before;
    if (before === undefined) {
      // Where every connection starves, whether fewer do better comes first.
      if (rate / this.#limit < STARVED_RATE && !this.#collapses.judged) return false;
      this.#downFirst = rate >= FULL_AT_ONCE_RATE && this.#tryFewer(now, rate);
      return this.#downFirst || this.#tryMore(now, rate);
    }
    const gain = rate / before.rate;
    const clear = gain >= CLEAR || gain <= 1 / CLEAR;
    if (!clear && elapsed < LONG_MS) return false;
    if (before.limit < this.#limit) {
      if (gain >= WORTHWHILE) {
        this.#holdMs = HOLD_MS;
        return this.#tryMore(now, rate);
      }
      // A fall this deep is a collapse if it lasts longer than the wait for first bytes.
      if (gain <= COLLAPSED_GAIN && elapsed < COLLAPSED_MS) return false;
      if (gain <= COLLAPSED_GAIN) {
        this.#found = this.#collapses.tooMany(now, before.limit, this.#limit);
        this.#limit = before.limit;
        this.#hold(this.#found.holdUntil ?? now);
        return true;
      }
      this.#limit = before.limit;
      if (this.#downFirst || !this.#tryFewer(now, before.rate)) this.#rest(now);
      return true;
    }
    if (gain >= WORTHWHILE_FEWER) {
      this.#downFirst = false;
      if (!this.#tryFewer(now, rate)) this.#rest(now);
      return true;
    }
    this.#limit = before.limit;
    if (this.#downFirst) this.#tryMore(now, before.rate);
    else this.#rest(now);
    return true;
  }

  /** Tries fewer connections, for a full machine. False if there is no reason to. */
  #tryFewer(now: number, rate: number): boolean {
    const fewer = Math.max(MIN_CONNECTIONS, Math.floor(this.#limit / 2));
    if (fewer >= this.#limit || rate < FULL_MACHINE_RATE) return false;
    this.#try(now, fewer, rate);
    return true;
  }

  #tryMore(now: number, rate: number): boolean {
    const more = Math.min(
      this.#most,
      this.#limit * 2,
      this.#belowRefused(now),
      this.#collapses.highest(now, this.#limit),
    );
    if (more <= this.#limit) {
      if (this.#before === undefined && this.#tryFewer(now, rate)) return true;
      this.#rest(now);
      return false;
    }
    this.#try(now, more, rate);
    return true;
  }

  /** Half the way to a number that was refused. */
  #belowRefused(now: number): number {
    if (this.#refused === undefined || now - this.#refused.at >= REFUSED_MS) {
      this.#refused = undefined;
      this.#troubleHoldMs = TROUBLE_HOLD_MS;
      return this.#most;
    }
    return Math.floor((this.#limit + this.#refused.limit) / 2);
  }

  #try(now: number, limit: number, rate: number): void {
    this.#before = { limit: this.#limit, rate };
    this.#limit = limit;
    this.#phase = 'settling';
    this.#changedAt = now;
  }

  #rest(now: number): void {
    this.#hold(now + this.#holdMs);
    this.#holdMs = Math.min(this.#holdMs * 2, MAX_HOLD_MS);
  }

  #hold(until: number): void {
    this.#phase = 'holding';
    this.#before = undefined;
    this.#downFirst = false;
    this.#changedAt = until;
  }
}
