import type { Clock } from './clock.ts';

/** A condition variable with a timeout: idle connections wait on it for work. */
export class Notifier {
  readonly #clock: Clock;
  #wake: () => void = () => {};
  #awake: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rest();
  }

  /** Wakes all current sleepers. */
  wake(): void {
    this.#wake();
    this.#rest();
  }

  /** Resolves at the next `wake`, or after `maxMs`. */
  async sleep(maxMs: number): Promise<void> {
    let cancel = () => {};
    const moment = new Promise<void>((resolve) => {
      cancel = this.#clock.after(maxMs, resolve);
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
