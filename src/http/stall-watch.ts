import type { Clock } from '../system/clock.ts';

/** Fires once when it was not touched for the limit. Uses one timer, however often it is touched. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onStall: () => void;
  #touched: number;
  #cancel: () => void = () => {};

  constructor(clock: Clock, limitMs: number, onStall: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onStall = onStall;
    this.#touched = clock.monotonic();
    this.#arm(limitMs);
  }

  /** Bytes arrived, or none are expected for `quietMs`. */
  touch(quietMs = 0): void {
    this.#touched = this.#clock.monotonic() + quietMs;
  }

  stop(): void {
    this.#cancel();
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const left = this.#touched + this.#limitMs - this.#clock.monotonic();
      if (left <= 0) this.#onStall();
      else this.#arm(left);
    });
  }
}
