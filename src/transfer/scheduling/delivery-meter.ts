import type { TrackedSegment } from './segment.ts';

/** Writes are reported with a delay, in milliseconds: gaps up to this length are not silence. */
const REPORT_MS = 100;

/** What connections received while they delivered: waits for first bytes are excluded. */
export interface Delivery {
  /** Bytes of each request after its first report. */
  readonly bytes: number;
  /** Milliseconds in which they arrived, summed over connections. */
  readonly ms: number;
}

/** Sums up what the requests for large files deliver. Times are milliseconds. */
export class DeliveryMeter {
  readonly #delivering = new Set<TrackedSegment>();
  #bytes = 0;
  /** Milliseconds of requests that have ended. */
  #ms = 0;

  firstByte(work: TrackedSegment, now: number): void {
    work.deliversSince = now;
    this.#delivering.add(work);
  }

  delivered(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The request has ended, successfully or not. */
  ended(work: TrackedSegment): void {
    if (!this.#delivering.delete(work)) return;
    this.#ms += work.lastByteAt - work.deliversSince!;
    work.deliversSince = undefined;
  }

  /** Everything so far. */
  total(now: number): Delivery {
    let ms = this.#ms;
    for (const { lastByteAt, deliversSince } of this.#delivering)
      ms += Math.max(lastByteAt, now - REPORT_MS, deliversSince!) - deliversSince!;
    return { bytes: this.#bytes, ms };
  }
}
