import type { Check, CheckName } from '../../model/diagnostic.ts';
import { toFetchError } from '../../model/error.ts';

/** What a look found; `ok` unless it says otherwise. */
export interface Finding {
  readonly state?: 'ok' | 'warning' | 'skipped';
  readonly message: string;
  readonly details?: readonly string[] | undefined;
  readonly hint?: string | undefined;
}

/** Looks at one thing after the other, and tells each as soon as it is known. What throws is a failed check. */
export class CheckRunner {
  readonly checks: Check[] = [];
  readonly #onCheck: (check: Check) => void;
  readonly #signal: AbortSignal;
  #retried: string | undefined;

  constructor(onCheck: (check: Check) => void, signal: AbortSignal) {
    this.#onCheck = onCheck;
    this.#signal = signal;
  }

  /** A check needed retries: it is reported even if it passed. */
  noteRetry(why: string): void {
    this.#retried = why;
  }

  /** False if the check failed. Rethrows an abort, which is not a result. */
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

  /**
   * A look that only measures: what fails there says little about a download, so it is a warning. What a
   * download would end with is for the other checks to say.
   */
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
