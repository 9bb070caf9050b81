import type { RunState } from './run-state.ts';
import { AdaptiveConcurrency } from './scheduling/adaptive-concurrency.ts';

/** How often throughput is observed while bytes arrive. */
const OBSERVE_MS = 25;
/** How often it is observed while none arrive, and before the first ones: a late host gets more connections soon. */
const LOOK_MS = 250;
const FIRST_LOOK_MS = 50;

/** In how many milliseconds throughput is observed again, whether bytes arrive or not. `bytes`: how many came so far. */
export function nextLookMs(bytes: number): number {
  return bytes === 0 ? FIRST_LOOK_MS : LOOK_MS;
}

/** Feeds the adaptive concurrency and applies its decisions: stops connections and reports changes. */
export class Steering {
  readonly #run: RunState;
  readonly #hostOf: (file: number) => string | undefined;
  readonly #budget: AdaptiveConcurrency;
  #bytes = 0;
  #observedAt = 0;
  #cancel: () => void = () => {};

  /** `hostOf` returns the host that serves a file's bytes; undefined while unknown. */
  constructor(run: RunState, hostOf: (file: number) => string | undefined) {
    const { limits, hubWaitMs } = run.context;
    const { bytesPerSecond, protocol } = run.context.settings;
    this.#run = run;
    this.#hostOf = hostOf;
    const allowed = bytesPerSecond === undefined ? undefined : bytesPerSecond / 1000;
    this.#budget = new AdaptiveConcurrency(limits.largeConnections, run.clock.monotonic(), {
      allowed,
      hubWaitMs,
      isChunked: protocol === 'xet',
    });
  }

  /** How many connections large files may have now. */
  get limit(): number {
    return this.#budget.limit;
  }

  /** This machine has no time for what comes: more connections bring nothing sooner. */
  get #isSaturated(): boolean {
    return this.#run.context.transport.isSaturated?.() ?? false;
  }

  /** This machine has no time: what is under way would come no sooner from another connection. */
  get isBusy(): boolean {
    return this.#run.context.transport.isBusy?.() ?? false;
  }

  /** Observes at intervals, so that silence is noticed too. The returned function ends it. */
  start(): () => void {
    const look = () => {
      this.#observe(this.#run.clock.monotonic());
      lookLater();
    };
    const lookLater = () => {
      this.#cancel = this.#run.clock.after(nextLookMs(this.#bytes), look);
    };
    lookLater();
    return () => this.#cancel();
  }

  /** `bytes` is the total so far. */
  wrote(now: number, bytes: number): void {
    this.#bytes = bytes;
    // Observing walks all connections: doing it on every write would cost too much.
    if (now - this.#observedAt >= OBSERVE_MS) this.#observe(now);
  }

  /** The server refused for being busy, or a connection broke. */
  trouble(kind: 'refused' | 'broke'): void {
    this.#budget[kind](this.#run.clock.monotonic(), this.#run.schedule.largeConnections);
  }

  #observe(now: number): void {
    this.#observedAt = now;
    const change = this.#budget.observe(now, this.#bytes, {
      ...this.#run.schedule.traffic(now),
      isSaturated: this.#isSaturated,
    });
    if (change === undefined) return;
    const { from, to, drop, insteadOf } = change;
    const { emit } = this.#run.context;
    if (from !== to) emit({ type: 'trace', message: `connections for large files: ${from} → ${to}` });
    if (insteadOf !== undefined) {
      const message = `${this.#hosts(now)} brings more with fewer connections: ${insteadOf} → ${to}`;
      emit({ type: 'note', message });
    }
    if (drop !== 'none') this.#letGo(drop === 'all' ? 0 : to, now);
    this.#run.wakeup.wake();
  }

  /** Restarted requests go to another address if there is one: one edge server may be starved and the next not. */
  #letGo(keep: number, now: number): void {
    if (keep === 0) this.#run.context.transport.elsewhere?.();
    for (const segment of this.#run.schedule.beyond(keep, now)) this.#run.stopSegment(segment);
  }

  #hosts(now: number): string {
    const names = this.#run.schedule.describe(now).map(({ file }) => this.#hostOf(file));
    return [...new Set(names)].filter((name) => name !== undefined).join(', ') || 'the server';
  }
}
