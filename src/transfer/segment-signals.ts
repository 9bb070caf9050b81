import type { Segment } from './scheduling/segment.ts';

/** Reason of an abort that only says: another connection has taken over, or the file is settled. */
const TAKEN = new Error('another connection has taken over');

/** An abort signal per active segment, to stop its connection. */
export class SegmentSignals {
  readonly #controllers = new Map<Segment, AbortController>();

  begin(segment: Segment): AbortSignal {
    const controller = new AbortController();
    this.#controllers.set(segment, controller);
    return controller.signal;
  }

  end(segment: Segment): void {
    this.#controllers.delete(segment);
  }

  stop(segment: Segment): void {
    this.#controllers.get(segment)?.abort(TAKEN);
  }

  stopAll(reason: unknown): void {
    for (const controller of this.#controllers.values()) controller.abort(reason);
  }
}
