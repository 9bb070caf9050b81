import type { Delivery } from './delivery-meter.ts';

/** How often a sample is taken, in milliseconds. */
const MARK_MS = 50;

/** Totals at one moment. */
export interface Progress {
  readonly now: number;
  /** All bytes. */
  readonly bytes: number;
  /** What connections for large files delivered, without their waits. */
  readonly delivery: Delivery;
}

/** Rates of an interval, in bytes per millisecond. */
export interface Rates {
  /** What all connections would bring together if none of them waited. */
  readonly potential: number;
  /** What arrived. */
  readonly plain: number;
  /** Ratio of the second half of the interval to the first. */
  readonly growth: number;
  readonly elapsedMs: number;
}

/** Measures from one moment on. */
export class RateMeasurement {
  readonly #marks: Progress[];

  constructor(start: Progress) {
    this.#marks = [start];
  }

  note(progress: Progress): void {
    if (progress.now - this.#marks.at(-1)!.now >= MARK_MS) this.#marks.push(progress);
  }

  /** The rates of this many connections until now, over the last `lastMs` at most. */
  rates(now: Progress, connections: number, lastMs: number = Number.POSITIVE_INFINITY): Rates {
    const first = this.#marks.find((mark) => now.now - mark.now <= lastMs) ?? this.#marks.at(-1)!;
    const elapsedMs = now.now - first.now;
    const middle = this.#marks.find((mark) => mark.now >= first.now + elapsedMs / 2) ?? now;
    const before = potential(first, middle, connections);
    const after = potential(middle, now, connections);
    return {
      potential: potential(first, now, connections),
      plain: (now.bytes - first.bytes) / elapsedMs,
      growth: before > 0 ? after / before : 1,
      elapsedMs,
    };
  }
}

/** Requests that end with their first report show no delivery rate: use the plain rate. */
function potential(from: Progress, to: Progress, connections: number): number {
  const ms = to.delivery.ms - from.delivery.ms;
  const bytes = to.delivery.bytes - from.delivery.bytes;
  const all = to.bytes - from.bytes;
  const plain = to.now > from.now ? all / (to.now - from.now) : 0;
  return ms > 0 && bytes > 0 ? (connections * bytes) / ms : plain;
}
