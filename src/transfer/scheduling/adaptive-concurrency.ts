import { type CollapseStep, Collapses } from './collapses.ts';
import type { Drop } from './descent.ts';
import { STARVED_RATE } from './fall-watch.ts';
import { type Progress, RateMeasurement, type Rates } from './rate-measurement.ts';
import type { Traffic } from './schedule.ts';

/** Connections to begin with: enough for most links, few enough to be polite. */
const START = 16;
/** Where the hub answers within `NEAR_MS`, the first measurement comes so soon that fewer lose no time, and cost less. */
const NEAR_START = 8;
const NEAR_MS = 25;
/**
 * When so many of them have a first byte, and that took longer than a measurement, more are used unmeasured. The last
 * of many may be late by chance.
 */
const START_PART = 0.75;
const SECOND_START_FACTOR = 1.5;
/** If the most is hardly above the start, it is the number to begin with: the step would be too small to be measured. */
const HARDLY_MORE = 1.2;
/** Fewer connections can be better only if the machine is the bottleneck: from this rate, in bytes per millisecond. */
const FULL_MACHINE_RATE = 200_000;
/** From this rate, in all and of each connection, fewer are tried before more: the machine is nearly full. */
const FULL_AT_ONCE_RATE = 350_000;
const FULL_AT_ONCE_EACH = 60_000;
/** Fewer than this are not tried for the sake of speed. */
const MIN_CONNECTIONS = 4;
/** How long a number of connections is measured, if the result is clear, in milliseconds. */
const QUICK_MS = 75;
/** And if it is not. */
const LONG_MS = 500;
/** A change by this factor, up or down, is not noise. */
const CLEAR = 1.4;
/** More connections that bring this part of what they would if each kept its rate need no other proof. */
const LINEAR = 0.8;
/** By which factor the number grows, and how it goes on where that brought in proportion. */
const GROWTH = 2;
const LINEAR_GROWTH = 3;
/** Shorter times tell nothing of what came: it is reported from time to time. */
const PLAIN_MS = 200;
/** More connections are worth having if what they could bring rises by this factor. */
const WORTHWHILE = 1.1;
/** New connections to a far server become faster for a while: if the rate still rises by this factor, it is measured on. */
const RISING = 1.1;
const MAX_RISING_MS = 4000;
/** On a full machine, fewer are kept unless the rate falls below this factor: each connection costs work at both ends. */
const WORTHWHILE_FEWER = 0.98;
/** The least time to wait for the first bytes of new connections, and how many times a known wait. */
const SETTLE_MS = 1000;
const SETTLE_WAITS = 2;
/** How long a number that proved best is kept before others are tried; doubles while it proves best again. */
const HOLD_MS = 2000;
const MAX_HOLD_MS = 32_000;
/** Milliseconds without growth after a refusal; doubles with each. */
const TROUBLE_HOLD_MS = 10_000;
/** Milliseconds before a refused number is tried again. */
const REFUSED_MS = 60_000;
/** How long it is remembered what a number brought. */
const KNOWN_MS = 60_000;
/** Troubles within this time are one. */
const SAME_TROUBLE_MS = 1000;
/** What more connections bring, as a part of what fewer did, when they are too many. */
const COLLAPSED_GAIN = 0.25;
const COLLAPSED_MS = 1500;

/** What is known of the link before anything came. */
export interface LinkHints {
  /** Bytes per millisecond that the user allows; undefined for no limit. */
  readonly allowed?: number | undefined;
  /** Milliseconds that the hub took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
}

type Phase = 'settling' | 'measuring' | 'holding';

/** A number of connections, and what it brought. */
interface Tried {
  readonly limit: number;
  /** Connections that had brought something by then. */
  readonly established: number;
  rates?: Rates | undefined;
  /** Goes on while new connections wait for their first bytes. */
  readonly measurement?: RateMeasurement | undefined;
}

type Judged = Tried & { readonly rates: Rates };

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
  readonly #isNear: boolean;
  #limit: number;
  #phase: Phase = 'settling';
  /** When the limit changed, or, while holding, when it may change again. */
  #changedAt: number;
  /** Of the current limit. */
  #measurement: RateMeasurement | undefined;
  /** All bytes, when it looked last. */
  #seen = 0;
  /** The number before the change that is tried. */
  #before: Tried | undefined;
  /** Fewer were tried first, because of the rate: more are still to be tried if that was wrong. */
  #downFirst = false;
  /** What numbers brought lately. */
  #known: { readonly limit: number; readonly rate: number; readonly at: number }[] = [];
  #established = 0;
  /** The first number, which has not been judged yet. */
  #starting: boolean;
  #holdMs = HOLD_MS;
  #troubleHoldMs = TROUBLE_HOLD_MS;
  #troubledAt = Number.NEGATIVE_INFINITY;
  /** The smallest number that was refused lately. */
  #refused: { readonly limit: number; readonly at: number } | undefined;
  #breaks: number[] = [];
  readonly #collapses: Collapses;
  /** The number that was just tried collapsed. */
  #found: CollapseStep | undefined;

  constructor(most: number, now: number, { allowed, hubWaitMs = NEAR_MS }: LinkHints = {}) {
    this.#most = most;
    this.#collapses = new Collapses(allowed);
    this.#isNear = hubWaitMs < NEAR_MS;
    const start = this.#isNear ? NEAR_START : START;
    this.#limit = most <= start * HARDLY_MORE ? most : start;
    this.#starting = this.#limit < most;
    this.#changedAt = now;
  }

  /** Connections that large files may have now. */
  get limit(): number {
    return this.#limit;
  }

  /** Learns from the state of the run, also when nothing comes. `bytes` is all that came so far. */
  observe(now: number, bytes: number, traffic: Traffic): ConcurrencyChange | undefined {
    const from = this.#limit;
    const { active, delivering, delivery, established } = traffic;
    this.#established = established;
    const step = this.#collapses.observe({ now, bytes, limit: from, active, delivering }, this.#good);
    if (step !== undefined) {
      this.#limit = step.limit;
      this.#before = undefined;
      this.#starting = false;
      if (step.holdUntil !== undefined) this.#hold(step.holdUntil);
      return { from, to: step.limit, drop: step.drop, insteadOf: step.insteadOf };
    }
    // `Collapses` handles silence; measurements here start and end with bytes.
    const came = bytes > this.#seen;
    this.#seen = bytes;
    if (this.#collapses.busy || !came) return undefined;
    this.#step({ now, bytes, delivery }, traffic);
    if (this.#limit === from) return undefined;
    const { drop = 'none', insteadOf } = this.#found ?? {};
    this.#found = undefined;
    return { from, to: this.#limit, drop, insteadOf };
  }

  /** The number before the change that is tried, if connections did not starve each other then. */
  get #good(): number | undefined {
    if (this.#before?.rates === undefined) return undefined;
    const { limit, rates } = this.#before;
    return rates.potential / limit < STARVED_RATE ? undefined : limit;
  }

  #step(progress: Progress, traffic: Traffic): void {
    const { now } = progress;
    switch (this.#phase) {
      case 'settling':
        this.#measureOn(progress, traffic);
        if (this.#settled(now, traffic)) this.#measure(progress, traffic);
        return;
      case 'holding':
        if (now >= this.#changedAt) this.#measure(progress, traffic);
        return;
      case 'measuring': {
        this.#measurement!.note(progress);
        const rates = this.#measurement!.rates(progress, this.#limit);
        if (rates.elapsedMs >= QUICK_MS) this.#decide(progress, rates, traffic);
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
    this.#starting = false;
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

  /** Half of the new connections have brought something; those that are too many have ended what they were at. */
  #settled(now: number, { active, delivering, established, waitMs }: Traffic): boolean {
    const before = this.#before?.limit ?? 0;
    if (before > this.#limit && active > this.#limit) return false;
    if (now - this.#changedAt >= Math.max(SETTLE_MS, SETTLE_WAITS * waitMs)) return true;
    if (before === 0) return established >= START_PART * this.#limit;
    if (before > this.#limit) return delivering >= this.#limit;
    const half = (before + this.#limit) / 2;
    if (this.#before!.established < half) return established >= half;
    // Of connections that were there before, nobody tells when they are back.
    return active >= this.#limit && now - this.#changedAt >= Math.max(QUICK_MS, SETTLE_WAITS * waitMs);
  }

  /** As long as none of the new connections brings anything, the others are measured. */
  #measureOn(progress: Progress, { established }: Traffic): void {
    const before = this.#before;
    if (before?.measurement === undefined || before.established > before.limit) return;
    if (established > before.established) return;
    before.measurement.note(progress);
    const rates = before.measurement.rates(progress, before.limit);
    if (rates.elapsedMs >= QUICK_MS) before.rates = rates;
  }

  #measure(progress: Progress, { established }: Traffic): void {
    const { now } = progress;
    this.#measurement = new RateMeasurement(progress);
    this.#phase = 'measuring';
    if (!this.#starting) return;
    this.#starting = false;
    // While more connections wait for their first bytes, these are measured anyhow.
    const longWait = now - this.#changedAt > QUICK_MS;
    if (this.#isNear || established < START_PART * this.#limit || !longWait) return;
    const more = Math.floor(this.#limit * SECOND_START_FACTOR);
    this.#tryMore(now, this.#most <= more * HARDLY_MORE ? this.#most : more, undefined);
  }

  #decide(progress: Progress, rates: Rates, traffic: Traffic): void {
    const { now } = progress;
    const before = this.#before;
    const each = rates.potential / this.#limit;
    // Where every connection starves, whether fewer do better comes first.
    if (this.#good === undefined && each < STARVED_RATE && !this.#collapses.judged) return;
    if (before?.rates === undefined) {
      // What fewer brought was too short to be measured.
      this.#before = undefined;
      const full = rates.potential >= FULL_AT_ONCE_RATE && each >= FULL_AT_ONCE_EACH;
      this.#downFirst = full && this.#tryFewer(now, rates);
      if (this.#downFirst || this.#tryMore(now, this.#limit * GROWTH, rates)) return;
      if (!this.#tryFewer(now, rates)) this.#rest(now);
      return;
    }
    const judged = { ...before, rates: before.rates };
    const gain = this.#gain(judged, rates, traffic);
    if (gain === undefined) return;
    const clear = gain >= CLEAR || gain <= 1 / CLEAR;
    if (!clear && rates.elapsedMs < LONG_MS) return;
    if (before.limit < this.#limit) this.#judgeMore(now, gain, judged, rates);
    else this.#judgeFewer(now, gain, judged, rates);
  }

  /** By which factor it is better than it was; undefined if that is not known yet. */
  #gain({ limit, rates: before }: Judged, rates: Rates, { requestMs }: Traffic): number | undefined {
    const potential = rates.potential / before.potential;
    // Each connection keeps its rate: the link has room.
    if (limit < this.#limit && potential >= (LINEAR * this.#limit) / limit) return potential;
    // Where requests are short, what comes tells as soon as each connection has made one: waits that grow
    // with the number of connections show in it.
    if (requestMs > LONG_MS) return potential;
    if (rates.elapsedMs < Math.max(requestMs, PLAIN_MS)) return undefined;
    return Math.min(potential, rates.plain / before.plain);
  }

  #judgeMore(now: number, gain: number, before: Judged, rates: Rates): void {
    if (gain >= WORTHWHILE) {
      this.#holdMs = HOLD_MS;
      const linear = gain >= (LINEAR * this.#limit) / before.limit;
      this.#growOrRest(now, rates, linear ? LINEAR_GROWTH : GROWTH);
      return;
    }
    // New connections to a far server become faster for a while.
    if (rates.growth >= RISING && rates.elapsedMs < MAX_RISING_MS) return;
    // A fall this deep is a collapse if it lasts longer than the wait for first bytes.
    if (gain <= COLLAPSED_GAIN && rates.elapsedMs < COLLAPSED_MS) return;
    if (gain <= COLLAPSED_GAIN) {
      this.#found = this.#collapses.tooMany(now, before.limit, this.#limit);
      this.#limit = before.limit;
      this.#hold(this.#found.holdUntil ?? now);
      return;
    }
    this.#limit = before.limit;
    if (this.#downFirst || !this.#tryFewer(now, before.rates)) this.#rest(now);
  }

  #judgeFewer(now: number, gain: number, before: Judged, rates: Rates): void {
    if (gain >= WORTHWHILE_FEWER) {
      this.#downFirst = false;
      if (!this.#tryFewer(now, rates)) this.#rest(now);
      return;
    }
    this.#limit = before.limit;
    if (!this.#downFirst || !this.#tryMore(now, this.#limit * 2, before.rates)) this.#rest(now);
  }

  /** Tries fewer connections, for a full machine. False if there is no reason to. */
  #tryFewer(now: number, rates: Rates): boolean {
    const fewer = Math.max(MIN_CONNECTIONS, Math.floor(this.#limit / 2));
    if (fewer >= this.#limit || rates.potential < FULL_MACHINE_RATE) return false;
    if (this.#knownToBringLess(now, fewer, rates.potential)) return false;
    this.#try(now, fewer, { limit: this.#limit, established: this.#established, rates });
    return true;
  }

  /** It was seen a short while ago that fewer bring less: so many, or others of which each brought no more. */
  #knownToBringLess(now: number, wanted: number, potential: number): boolean {
    this.#known = this.#known.filter(({ at }) => now - at < KNOWN_MS);
    const less = potential * WORTHWHILE_FEWER;
    const each = (potential / this.#limit) * WORTHWHILE;
    return this.#known.some(
      ({ limit, rate }) => limit < this.#limit && rate < less && (limit >= wanted || rate / limit < each),
    );
  }

  #growOrRest(now: number, rates: Rates, factor = GROWTH): void {
    if (!this.#tryMore(now, this.#limit * factor, rates)) this.#rest(now);
  }

  /** `rates` of the current number as far as they are known: it is measured on until the new connections deliver. */
  #tryMore(now: number, wanted: number, rates: Rates | undefined): boolean {
    const more = Math.min(
      this.#most,
      wanted,
      this.#belowRefused(now),
      this.#collapses.highest(now, this.#limit),
    );
    if (more <= this.#limit) return false;
    const measurement = this.#phase === 'measuring' ? this.#measurement : undefined;
    this.#try(now, more, { limit: this.#limit, established: this.#established, rates, measurement });
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

  #try(now: number, limit: number, before: Tried): void {
    if (before.rates !== undefined)
      this.#known.push({ limit: before.limit, rate: before.rates.potential, at: now });
    this.#before = before;
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
