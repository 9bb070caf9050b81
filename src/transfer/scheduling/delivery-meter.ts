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

/** The state of all transfers of large files. */
export interface Traffic {
  /** Connections at work on large files. */
  readonly active: number;
  /** Those of them that have received their first bytes. */
  readonly delivering: number;
  /** The most of them that have ever received something. */
  readonly established: number;
  readonly delivery: Delivery;
  /** Measured milliseconds from a request to its first byte, and to its last; 0 until measured. */
  readonly waitMs: number;
  readonly requestMs: number;
  /** The machine has no time for what more connections would bring; false if left out. */
  readonly isSaturated?: boolean;
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
