import { setImmediate } from 'node:timers/promises';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import { onAbort } from '../../src/system/on-abort.ts';

interface Timer {
  readonly dueAt: number;
  readonly ring: () => void;
}

/** A clock that stands still until a test moves it. `advance` rings what is due on the way, in order. */
export class ManualClock implements Clock {
  #elapsed = 0;
  readonly #startMs: number;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  get timers(): number {
    return this.#timers.size;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { dueAt: this.#elapsed + delayMs, ring: callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stopListening = onAbort(signal, () => {
        cancel();
        reject(signal.reason);
      });
      const cancel = this.after(delayMs, () => {
        stopListening();
        resolve();
      });
    });
  }

  /** Lets everything that waits run between two moments, as real time would. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#elapsed + milliseconds;
    await settled();
    for (;;) {
      const next = [...this.#timers].sort((left, right) => left.dueAt - right.dueAt)[0];
      if (next === undefined || next.dueAt > end) break;
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.dueAt);
      next.ring();
      await settled();
    }
    this.#elapsed = end;
    await settled();
  }

  /**
   * Rings every timer as soon as all else is idle, until `work` ends: what takes hours takes milliseconds.
   * Nothing that takes real time may be waited for meanwhile.
   */
  async runUntilEnd(
    work: Promise<unknown>,
    {
      untilMs = Number.POSITIVE_INFINITY,
      rings = Number.POSITIVE_INFINITY,
    }: { readonly untilMs?: number; readonly rings?: number } = {},
  ): Promise<ClockEnd> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    work.then(end, end);
    for (let rung = 0; ; rung += 1) {
      await idle();
      if (ended) return 'ended';
      const dueAt = this.#nextDueAt();
      if (dueAt === undefined) return 'stuck';
      if (dueAt > untilMs || rung >= rings) return 'stopped';
      this.#elapsed = Math.max(this.#elapsed, dueAt);
      for (const timer of [...this.#timers]) {
        if (timer.dueAt <= dueAt && this.#timers.delete(timer)) timer.ring();
      }
    }
  }

  /** No timer that is set now will fire: its waiter is dead. */
  forget(): void {
    this.#timers.clear();
  }

  #nextDueAt(): number | undefined {
    let next: number | undefined;
    for (const { dueAt } of this.#timers) if (next === undefined || dueAt < next) next = dueAt;
    return next;
  }
}

/** The work ended, or it waits for nothing that would ever come, or the time or the rings were over. */
export type ClockEnd = 'ended' | 'stuck' | 'stopped';

/**
 * A clock on which every sleep is over at once, although the time has passed: for waits between real
 * requests. `sleeps` holds what was waited for. Timers that guard a connection run in real time.
 */
export class InstantClock implements Clock {
  readonly sleeps: number[] = [];
  #skipped = 0;

  now(): number {
    return Date.now() + this.#skipped;
  }

  monotonic(): number {
    return performance.now() + this.#skipped;
  }

  after(delayMs: number, callback: () => void): () => void {
    return systemClock.after(delayMs, callback);
  }

  async sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.sleeps.push(delayMs);
    this.#skipped += delayMs;
    await settled();
    signal.throwIfAborted();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** When every promise that can go on has gone on. */
async function idle(): Promise<void> {
  await setImmediate();
}
