import type { Clock } from './clock.ts';

/** Lets idle connections sleep until there may be something to do. */
export class Notifier {
  readonly #clock: Clock;
  #wake: () => void = () => {};
  #awake: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rest();
  }

  /** Wakes all that sleep now. */
  wake(): void {
    this.#wake();
    this.#rest();
  }

  /** Until somebody wakes us, or until `longestMs` have passed. */
  async sleep(longestMs: number): Promise<void> {
    let cancel = () => {};
    const moment = new Promise<void>((resolve) => {
      cancel = this.#clock.after(longestMs, resolve);
    });
    await Promise.race([this.#awake, moment]);
    cancel();
  }

  #rest(): void {
    this.#awake = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
