import type { ReportTime } from '../../src/report/progress/output.ts';

/** A clock that only moves when a test says so, and calls what is due on the way, in the order of time. */
export class ManualTime implements ReportTime {
  #now: number;
  readonly #timers = new Set<{ dueAt: number; readonly intervalMs: number; readonly tick: () => void }>();

  constructor(startMs = 1_000_000) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  get timers(): number {
    return this.#timers.size;
  }

  every(intervalMs: number, tick: () => void): () => void {
    const timer = { dueAt: this.#now + intervalMs, intervalMs, tick };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next === undefined || next.dueAt > end) break;
      this.#now = next.dueAt;
      next.dueAt += next.intervalMs;
      next.tick();
    }
    this.#now = end;
  }
}
