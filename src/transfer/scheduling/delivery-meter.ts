import type { TrackedSegment } from './segment.ts';

/** Bytes that were written are reported with a delay, in milliseconds: silence up to this is none. */
const REPORT_MS = 100;

/** What connections brought while they delivered: their waits for first bytes do not count. */
export interface Delivery {
  /** Bytes after the first that were reported of each request. */
  readonly bytes: number;
  /** Milliseconds in which they came, summed over connections. */
  readonly ms: number;
}

/** Sums up what the requests for large files deliver. Times are milliseconds. */
export class DeliveryMeter {
  readonly #delivering = new Set<TrackedSegment>();
  #bytes = 0;
  /** Of requests that have ended. */
  #ms = 0;

  firstByte(work: TrackedSegment, now: number): void {
    work.deliversSince = now;
    this.#delivering.add(work);
  }

  delivered(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The request has ended, in whatever way. */
  ended(work: TrackedSegment): void {
    if (!this.#delivering.delete(work)) return;
    this.#ms += work.lastByteAt - work.deliversSince!;
    work.deliversSince = undefined;
  }

  /** All so far. */
  total(now: number): Delivery {
    let ms = this.#ms;
    for (const { lastByteAt, deliversSince } of this.#delivering)
      ms += Math.max(lastByteAt, now - REPORT_MS, deliversSince!) - deliversSince!;
    return { bytes: this.#bytes, ms };
  }
}
