import type { RunState } from './run-state.ts';
import { AdaptiveConcurrency } from './scheduling/adaptive-concurrency.ts';

/** How often throughput is looked at while bytes come. */
const OBSERVE_MS = 25;
/** And while none come. */
const LOOK_MS = 250;

/** Feeds the adaptive concurrency and applies its decisions: stops connections and reports changes. */
export class Steering {
  readonly #run: RunState;
  readonly #hostOf: (file: number) => string | undefined;
  readonly #budget: AdaptiveConcurrency;
  #bytes = 0;
  #observedAt = 0;
  #cancel: () => void = () => {};

  /** `hostOf` tells which host serves a file's bytes, as far as is known. */
  constructor(run: RunState, hostOf: (file: number) => string | undefined) {
    const { limits, hubWaitMs } = run.context;
    const { bytesPerSecond } = run.context.settings;
    this.#run = run;
    this.#hostOf = hostOf;
    const allowed = bytesPerSecond === undefined ? undefined : bytesPerSecond / 1000;
    this.#budget = new AdaptiveConcurrency(limits.largeConnections, run.clock.monotonic(), {
      allowed,
      hubWaitMs,
    });
  }

  /** Connections that large files may have now. */
  get limit(): number {
    return this.#budget.limit;
  }

  /** Looks from time to time, so that silence is noticed too. The returned function ends it. */
  start(): () => void {
    const look = () => {
      this.#observe(this.#run.clock.monotonic());
      this.#cancel = this.#run.clock.after(LOOK_MS, look);
    };
    this.#cancel = this.#run.clock.after(LOOK_MS, look);
    return () => this.#cancel();
  }

  /** `bytes` came in all. */
  wrote(now: number, bytes: number): void {
    this.#bytes = bytes;
    // Looking through all connections on every write would cost more than it tells.
    if (now - this.#observedAt >= OBSERVE_MS) this.#observe(now);
  }

  /** The server refused for being busy, or a connection broke. */
  trouble(kind: 'refused' | 'broke'): void {
    this.#budget[kind](this.#run.clock.monotonic(), this.#run.schedule.largeConnections);
  }

  #observe(now: number): void {
    this.#observedAt = now;
    const change = this.#budget.observe(now, this.#bytes, this.#run.schedule.traffic(now));
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

  /** Restarted requests go to another address if there is one: one edge may be starved and the next not. */
  #letGo(keep: number, now: number): void {
    if (keep === 0) this.#run.context.transport.elsewhere?.();
    for (const segment of this.#run.schedule.beyond(keep, now)) this.#run.stopSegment(segment);
  }

  #hosts(now: number): string {
    const names = this.#run.schedule.describe(now).map(({ file }) => this.#hostOf(file));
    return [...new Set(names)].filter((name) => name !== undefined).join(', ') || 'the server';
  }
}
