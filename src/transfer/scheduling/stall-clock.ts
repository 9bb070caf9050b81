/** Gaps up to this length are normal and do not stop the clock. */
const QUIET_MS = 500;
/** The longest silence that is blamed on the machine. */
const MAX_GAP_MS = 1500;

/**
 * The clock by which connections are compared. It stops while no connection makes progress: a disk that stalls for a
 * second, or a suspended machine, makes every connection look slow, and moving work between them gains nothing.
 * Milliseconds.
 */
export class StallClock {
  #heardAt: number | undefined;
  #stoodMs = 0;

  /** `several`: more than one connection is at work. The silence of a single one is its own. */
  at(monotonic: number, several: boolean): number {
    const silence = several && this.#heardAt !== undefined ? monotonic - this.#heardAt : 0;
    return monotonic - this.#stoodMs - Math.min(Math.max(0, silence - QUIET_MS), MAX_GAP_MS);
  }

  /** A connection made progress; `time` is what `at(monotonic)` returned. */
  heard(monotonic: number, time: number): void {
    this.#heardAt = monotonic;
    this.#stoodMs = monotonic - time;
  }
}
