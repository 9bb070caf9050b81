import type { ErrorCode, FetchError } from '../../model/error.ts';
import { printable } from '../../model/format.ts';

/** Exit code of each error code. 0 is success. */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  BUG: 1,
  USAGE: 2,
  NOT_FOUND: 4,
  ACCESS: 5,
  NETWORK: 6,
  INTEGRITY: 7,
  DISK: 8,
  LOCKED: 9,
  ABORTED: 130,
};

export const SIGTERM_EXIT = 143;
export const SIGHUP_EXIT = 129;

/** One paragraph and one hint; with `verbose` the stack as well. */
export function explain(error: FetchError, options: { readonly verbose: boolean }): string {
  const lines = [`fetch: error: ${printable(error.message)}`];
  if (error.hint !== undefined) lines.push(`hint: ${printable(error.hint)}`);
  if (options.verbose) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      lines.push(...(cause.stack ?? cause.message).split('\n').map((line) => printable(line)));
    }
  }
  return `${lines.join('\n')}\n`;
}
