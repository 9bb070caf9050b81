/** Gaps up to this length are normal and do not stop the clock. */
const QUIET_MS = 500;
/** The longest silence that is put down to the machine. */
const MAX_GAP_MS = 1500;

/**
 * The time by which connections are compared. It stops while none of them makes progress: a disk that takes
 * no more for a second, or a machine that was halted, makes every connection look slow, and there is nothing to
 * gain from taking work from one to give it to another. Milliseconds.
 */
export class StallClock {
  #heardAt: number | undefined;
  #stoodMs = 0;

  /** `several`: more than one connection is at work. The silence of the only one is its own. */
  at(monotonic: number, several: boolean): number {
    const silence = several && this.#heardAt !== undefined ? monotonic - this.#heardAt : 0;
    return monotonic - this.#stoodMs - Math.min(Math.max(0, silence - QUIET_MS), MAX_GAP_MS);
  }

  /** Some connection was heard of, at what `at` made of this time. */
  heard(monotonic: number, time: number): void {
    this.#heardAt = monotonic;
    this.#stoodMs = monotonic - time;
  }
}
