import { FetchError } from '../model/error.ts';
import type { Clock } from '../system/clock.ts';
import { onAbort } from '../system/on-abort.ts';

/** So often the stall limit may pass without a whole chunk: at 30 s, a chunk of 128 KiB may come at 1 kB/s. */
const STALL_LIMITS = 4;

/**
 * Ends a request to a content store that sends some bytes now and then, so that it is never silent, but brings nothing: the
 * file can be had over plain HTTP. The error is not retryable.
 */
export class TrickleWatch {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #what: string;
  readonly #stopListening: () => void;
  #cancel: () => void = () => {};

  /** Without `stallTimeoutMs` it watches nothing. */
  constructor(clock: Clock, stallTimeoutMs: number | undefined, what: string, signal: AbortSignal) {
    this.#clock = clock;
    this.#limitMs = (stallTimeoutMs ?? Number.POSITIVE_INFINITY) * STALL_LIMITS;
    this.#stopListening = onAbort(signal, () => this.#controller.abort(signal.reason));
    this.#what = what;
    if (signal.aborted) this.#controller.abort(signal.reason);
    this.touch();
  }

  /** Aborts as the signal that it was made with, and when nothing comes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something has come. */
  touch(): void {
    this.#cancel();
    if (this.#limitMs !== Number.POSITIVE_INFINITY)
      this.#cancel = this.#clock.after(this.#limitMs, () => this.#controller.abort(this.#tooSlow()));
  }

  stop(): void {
    this.#cancel();
    this.#stopListening();
  }

  #tooSlow(): FetchError {
    const seconds = Math.round(this.#limitMs / 1000);
    return new FetchError(
      'NETWORK',
      `the content store has brought no chunk of ${this.#what} for ${seconds} s`,
      {
        hint: 'Use --protocol http: the file comes without the content store.',
      },
    );
  }
}
