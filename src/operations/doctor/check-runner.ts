import type { Check, CheckName } from '../../model/diagnostic.ts';
import { toFetchError } from '../../model/error.ts';

/** The result of a check; `ok` if `state` is left out. */
export interface Finding {
  readonly state?: 'ok' | 'warning' | 'skipped';
  readonly message: string;
  readonly details?: readonly string[] | undefined;
  readonly hint?: string | undefined;
}

/** Runs checks one after the other, and reports each as soon as it ends. A check that throws has failed. */
export class CheckRunner {
  readonly checks: Check[] = [];
  readonly #onCheck: (check: Check) => void;
  readonly #signal: AbortSignal;
  #retried: string | undefined;

  constructor(onCheck: (check: Check) => void, signal: AbortSignal) {
    this.#onCheck = onCheck;
    this.#signal = signal;
  }

  /** The current check needed a retry: it becomes a warning even if it passes. */
  noteRetry(why: string): void {
    this.#retried = why;
  }

  /** False if the check failed. Rethrows an abort. */
  async check(name: CheckName, work: () => Finding | Promise<Finding>): Promise<boolean> {
    this.#signal.throwIfAborted();
    this.#retried = undefined;
    try {
      const found = await work();
      this.#note({ state: 'ok', ...found, ...this.#shaky(found), name });
      return true;
    } catch (thrown) {
      this.#signal.throwIfAborted();
      const { code, message, hint } = toFetchError(thrown);
      this.#note({ name, state: 'failed', message, hint, code });
      return false;
    }
  }

  /** A check that only measures: a failure is a warning, because a download does not depend on it. */
  async measure(name: CheckName, work: () => Finding | Promise<Finding>): Promise<void> {
    await this.check(name, async () => {
      try {
        return await work();
      } catch (thrown) {
        this.#signal.throwIfAborted();
        const { code, message, hint } = toFetchError(thrown);
        if (code === 'BUG') throw thrown;
        return { state: 'warning', message, hint };
      }
    });
  }

  #shaky({ message }: Finding): Partial<Finding> {
    if (this.#retried === undefined) return {};
    return {
      state: 'warning',
      message: `${message}; only at the second try (${this.#retried})`,
      hint: 'The line or the server is shaky. Downloads try again by themselves, and take longer.',
    };
  }

  skip(names: readonly CheckName[], message: string): void {
    for (const name of names) this.#note({ name, state: 'skipped', message });
  }

  #note(check: Check): void {
    this.checks.push(check);
    this.#onCheck(check);
  }
}
