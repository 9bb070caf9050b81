import type { Clock } from '../system/clock.ts';

/** A timer that fires so late says that this process stood, in milliseconds. */
const LATE_MS = 50;

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

  #arm(delayMs: number, isLast = false): void {
    const due = this.#clock.monotonic() + delayMs;
    this.#cancel = this.#clock.after(delayMs, () => {
      const now = this.#clock.monotonic();
      const left = this.#touched + this.#limitMs - now;
      if (left > 0) this.#arm(left);
      // Timers go before sockets: bytes that came while this process stood are read first, and count.
      else if (now - due > LATE_MS && !isLast) this.#arm(1, true);
      else this.#onStall();
    });
  }
}
