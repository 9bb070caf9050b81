import { isatty } from 'node:tty';
import { FetchError } from '../../model/error.ts';
import { EXIT_CODES, SIGHUP_EXIT, SIGTERM_EXIT } from './exit-codes.ts';

/**
 * Turns signals and the deadline into one AbortSignal. The first SIGINT or SIGTERM aborts the run, the second ends the
 * process at once. SIGHUP does the same unless no stream is a terminal: under `nohup` none is, and Node resets the
 * ignored signal when it starts.
 */
export class ShutdownSignals {
  readonly #controller = new AbortController();
  readonly #handlers: [NodeJS.Signals, () => void][] = [];
  #deadline: NodeJS.Timeout | undefined;
  /** Exit code of the signal that was received; undefined before that. */
  exit: number | undefined;

  constructor(timeoutMs: number | undefined, beforeHardExit: () => void) {
    // Checked now: after the terminal has closed, isatty is false.
    const detached = ![0, 1, 2].some((descriptor) => isatty(descriptor));
    for (const [name, code] of [
      ['SIGINT', EXIT_CODES.ABORTED],
      ['SIGTERM', SIGTERM_EXIT],
      ['SIGHUP', SIGHUP_EXIT],
    ] as const) {
      const handler = () => {
        if (name === 'SIGHUP' && detached) return;
        if (this.exit !== undefined) {
          beforeHardExit();
          process.exit(code);
        }
        this.exit = code;
        this.#controller.abort(new FetchError('ABORTED', `interrupted by ${name}`));
      };
      process.on(name, handler);
      this.#handlers.push([name, handler]);
    }
    if (timeoutMs === undefined) return;
    this.#deadline = setTimeout(() => {
      const error = new FetchError('NETWORK', `the deadline of ${timeoutMs / 1000} s has passed`, {
        hint: 'Run the same command again, or give it more time with --timeout. What has come is not fetched again.',
      });
      this.#controller.abort(error);
    }, timeoutMs);
    this.#deadline.unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}
