import { type CollapseStep, Collapses } from './collapses.ts';
import type { Traffic } from './delivery-meter.ts';
import type { Drop } from './descent.ts';
import { STARVED_RATE } from './fall-watch.ts';
import { KnownRates } from './known-rates.ts';
import { LateStart } from './late-start.ts';
import { type Progress, RateMeasurement, type Rates } from './rate-measurement.ts';

/** Connections to start with: enough for most links, few enough to be polite. */
const START = 16;
/** If the Hub answers within `NEAR_MS`, start with fewer: the first measurement comes soon enough to lose no time. */
const NEAR_START = 8;
const NEAR_MS = 25;
/**
 * When this fraction of them has a first byte, and that took longer than a measurement, more are opened unmeasured.
 * Not all of them: the last of many may be late by chance.
 */
const START_PART = 0.75;
const SECOND_START_FACTOR = 3;
/** Of chunks, which a new thread unpacks slowly: what waits in sockets is lost with a kill. */
const CHUNKED_START = 4;
/** If the maximum is hardly above the start, start with the maximum: the step would be too small to measure. */
const HARDLY_MORE = 1.2;
/** Fewer connections are tried from this rate on, in bytes per millisecond: the machine may be the bottleneck. */
const FULL_MACHINE_RATE = 200_000;
/** From this total rate, and this rate per connection, fewer are tried before more: the machine is nearly full. */
const FULL_AT_ONCE_RATE = 350_000;
const FULL_AT_ONCE_EACH = 60_000;
/** Numbers below this are not tried for speed alone. */
const MIN_CONNECTIONS = 4;
/** How long a number of connections is measured if the result is clear, in milliseconds. */
const QUICK_MS = 75;
/** How long it is measured otherwise. */
const LONG_MS = 500;
/** A change by this factor, up or down, is more than noise. */
const CLEAR = 1.4;
/** More connections that bring this fraction of a proportional gain need no longer measurement. */
const LINEAR = 0.8;
/** By which factor the number grows at first, and after a proportional gain. */
const GROWTH = 2;
const LINEAR_GROWTH = 3;
/** Received bytes are reported in batches: a plain rate over less than this time is meaningless. */
const PLAIN_MS = 200;
/** More connections are kept if the potential rate rises by this factor. */
const WORTHWHILE = 1.1;
/** New connections to a distant server speed up for a while: measure on while the rate rises by this factor. */
const RISING = 1.1;
const MAX_RISING_MS = 4000;
/** On a full machine fewer are kept unless the rate falls below this factor: each connection costs work. */
const WORTHWHILE_FEWER = 0.98;
/** The minimum wait for the first bytes of new connections, and its multiple of the measured wait. */
const SETTLE_MS = 1000;
const SETTLE_WAITS = 2;
/** How long a number that proved best is kept before others are tried; doubles each time it proves best again. */
const HOLD_MS = 2000;
const MAX_HOLD_MS = 32_000;
/** Milliseconds without growth after a refusal; doubles with each. */
const TROUBLE_HOLD_MS = 10_000;
/** Milliseconds before a refused number is tried again. */
const REFUSED_MS = 60_000;
/** Troubles within this time count as one. */
const SAME_TROUBLE_MS = 1000;
/** Ratio of the new rate to the old one below which there are too many connections. */
const COLLAPSED_GAIN = 0.25;
const COLLAPSED_MS = 1500;

/** What is known about the link before anything was received. */
export interface LinkHints {
  /** Bytes per millisecond that the user allows; undefined for no limit. */
  readonly allowed?: number | undefined;
  /** Milliseconds that the hub took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  readonly isChunked?: boolean;
}

type Phase = 'settling' | 'measuring' | 'holding';

/** A number of connections, and the rates measured with it. */
interface Tried {
  readonly limit: number;
  /** Connections that had received something by then. */
  readonly established: number;
  rates?: Rates | undefined;
  /** Continues while new connections wait for their first bytes. */
  readonly measurement?: RateMeasurement | undefined;
}

type Judged = Tried & { readonly rates: Rates };

/** The limit has changed, or a fact about it is new. */
export interface ConcurrencyChange {
  readonly from: number;
  readonly to: number;
  readonly drop: Drop;
  /** The number of connections that fewer proved to outperform; set the first time in a run. */
  readonly insteadOf: number | undefined;
}

/**
 * How many connections large files get: more while more of them increase throughput, fewer when they do not or when
 * the server complains. No fixed number is right: a fast link needs few, one that is capped per connection needs
 * many, and a server may starve all of them when they are too many (`Collapses`). What is learned holds for the whole
 * run, because its large files usually come from one host. A pure state machine: times are arguments, in
 * milliseconds.
 */
export class AdaptiveConcurrency {
  readonly #most: number;
  /** The number to start with. */
  readonly #first: number;
  readonly #isNear: boolean;
  readonly #late: LateStart | undefined;
  #limit: number;
  #phase: Phase = 'settling';
  /** When the limit changed, or, while holding, when it may change again. */
  #changedAt: number;
  /** Measures the current limit. */
  #measurement: RateMeasurement | undefined;
  /** Total bytes at the last observation. */
  #seen = 0;
  /** The number before the change that is being tried. */
  #before: Tried | undefined;
  /** Fewer were tried first, because the machine looked full: if that proves wrong, more are tried next. */
  #downFirst = false;
  readonly #known = new KnownRates();
  #established = 0;
  #isSaturated = false;
  /** The first number has not been judged yet. */
  #starting: boolean;
  #holdMs = HOLD_MS;
  #troubleHoldMs = TROUBLE_HOLD_MS;
  #troubledAt = Number.NEGATIVE_INFINITY;
  /** The smallest number that was refused recently. */
  #refused: { readonly limit: number; readonly at: number } | undefined;
  #breaks: number[] = [];
  readonly #collapses: Collapses;
  /** The number that was just tried collapsed. */
  #found: CollapseStep | undefined;

  constructor(
    most: number,
    now: number,
    { allowed, hubWaitMs = NEAR_MS, isChunked = false }: LinkHints = {},
  ) {
    this.#most = most;
    this.#collapses = new Collapses(allowed);
    this.#isNear = hubWaitMs < NEAR_MS;
    const start = isChunked ? CHUNKED_START : this.#isNear ? NEAR_START : START;
    this.#limit = most <= start * HARDLY_MORE ? most : start;
    this.#first = this.#limit;
    this.#starting = this.#limit < most;
    if (!this.#isNear && !isChunked) this.#late = new LateStart();
    this.#changedAt = now;
  }

  /** How many connections large files may have now. */
  get limit(): number {
    return this.#limit;
  }

  /** Learns from the state of the run; called also while nothing arrives. `bytes` is the total so far. */
  observe(now: number, bytes: number, traffic: Traffic): ConcurrencyChange | undefined {
    const from = this.#limit;
    const { active, delivering, delivery, established, isSaturated = false } = traffic;
    this.#established = established;
    this.#isSaturated = isSaturated;
    if (this.#starting) this.#limit = Math.min(this.#most, this.#late?.grow(now, traffic, from) ?? from);
    if (this.#limit > from) return { from, to: this.#limit, drop: 'none', insteadOf: undefined };
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

  /** The number before the change that is being tried, if its connections did not starve. */
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
   * The server is overloaded: reduce the connections at once and do not grow for a while. `active` of them work on
   * large files.
   */
  refused(now: number, active: number): void {
    // One event hits many connections: count it once. Connections above the limit are known to be too many.
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

  /** A connection broke. One among many is chance; several at once mean that they are too many. */
  broke(now: number, active: number): void {
    this.#breaks = this.#breaks.filter((at) => now - at < SAME_TROUBLE_MS);
    this.#breaks.push(now);
    if (this.#breaks.length < Math.max(2, this.#limit / 4)) return;
    this.#breaks = [];
    this.refused(now, active);
  }

  /** Half of the new connections have received something, and those above the limit have ended their segments. */
  #settled(now: number, { active, delivering, established, waitMs }: Traffic): boolean {
    const before = this.#before?.limit ?? 0;
    if (before > this.#limit && active > this.#limit) return false;
    if (now - this.#changedAt >= Math.max(SETTLE_MS, SETTLE_WAITS * waitMs)) return true;
    if (before === 0) return established >= START_PART * this.#first;
    if (before > this.#limit) return delivering >= this.#limit;
    const half = (before + this.#limit) / 2;
    if (this.#before!.established < half) return established >= half;
    // Connections that existed before do not report when they deliver again: wait instead.
    return active >= this.#limit && now - this.#changedAt >= Math.max(QUICK_MS, SETTLE_WAITS * waitMs);
  }

  /** While no new connection delivers, continue to measure the others. */
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
    // While more connections wait for their first bytes, the current ones can be measured anyway.
    const longWait = now - this.#changedAt > QUICK_MS;
    if (this.#isNear || established < START_PART * this.#first || !longWait) return;
    const more = Math.floor(this.#limit * SECOND_START_FACTOR);
    this.#tryMore(now, this.#most <= more * HARDLY_MORE ? this.#most : more, undefined);
  }

  #decide(progress: Progress, rates: Rates, traffic: Traffic): void {
    const { now } = progress;
    const before = this.#before;
    const each = rates.potential / this.#limit;
    // If every connection starves, first find out whether fewer do better.
    if (this.#good === undefined && each < STARVED_RATE && !this.#collapses.judged) return;
    if (before?.rates === undefined) {
      // The rate of the smaller number was measured too briefly.
      this.#before = undefined;
      const full = rates.potential >= FULL_AT_ONCE_RATE && each >= FULL_AT_ONCE_EACH;
      this.#downFirst = full && this.#tryFewer(now, rates);
      if (this.#downFirst || this.#tryMore(now, this.#limit * GROWTH, rates)) return;
      // More were started unmeasured: that the machine is full is not known yet.
      if (before !== undefined || !this.#tryFewer(now, rates)) this.#rest(now);
      return;
    }
    const judged = { ...before, rates: before.rates };
    this.#known.remember(now, before.limit, before.rates.potential);
    const gain = this.#gain(judged, rates, traffic);
    if (gain === undefined) return;
    const clear = gain >= CLEAR || gain <= 1 / CLEAR;
    if (!clear && rates.elapsedMs < LONG_MS) return;
    if (before.limit < this.#limit) this.#judgeMore(now, gain, judged, rates);
    else this.#judgeFewer(now, gain, judged, rates);
  }

  /** Ratio of the new rate to the old one; undefined if it is not known yet. */
  #gain({ limit, rates: before }: Judged, rates: Rates, { requestMs }: Traffic): number | undefined {
    const potential = rates.potential / before.potential;
    // Each connection keeps its rate: the link has room.
    if (limit < this.#limit && potential >= (LINEAR * this.#limit) / limit) return potential;
    // With short requests the plain rate is meaningful after one request per connection. It shows waits that grow
    // with the number of connections.
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
    // New connections to a distant server speed up for a while.
    if (rates.growth >= RISING && rates.elapsedMs < MAX_RISING_MS) return;
    // A fall this deep is a collapse if it outlasts the wait for first bytes.
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
    const least = { limit: this.#limit, rate: rates.potential * WORTHWHILE_FEWER };
    if (this.#known.bringLess(now, fewer, least)) return false;
    this.#try(now, fewer, { limit: this.#limit, established: this.#established, rates });
    return true;
  }

  #growOrRest(now: number, rates: Rates, factor = GROWTH): void {
    if (!this.#tryMore(now, this.#limit * factor, rates)) this.#rest(now);
  }

  /** `rates` of the current number, if known: it is measured further until the new connections deliver. */
  #tryMore(now: number, wanted: number, rates: Rates | undefined): boolean {
    const highest = this.#collapses.highest(now, this.#limit);
    const more = Math.min(this.#most, wanted, this.#belowRefused(now), highest);
    if (more <= this.#limit || this.#isSaturated) return false;
    const measurement = this.#phase === 'measuring' ? this.#measurement : undefined;
    this.#try(now, more, { limit: this.#limit, established: this.#established, rates, measurement });
    return true;
  }

  /** Halfway to a number that was refused. */
  #belowRefused(now: number): number {
    if (this.#refused === undefined || now - this.#refused.at >= REFUSED_MS) {
      this.#refused = undefined;
      this.#troubleHoldMs = TROUBLE_HOLD_MS;
      return this.#most;
    }
    return Math.floor((this.#limit + this.#refused.limit) / 2);
  }

  #try(now: number, limit: number, before: Tried): void {
    if (before.rates !== undefined) this.#known.remember(now, before.limit, before.rates.potential);
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
