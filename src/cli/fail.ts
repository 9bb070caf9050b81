import type { FetchError } from '../model/error.ts';
import { printable } from '../report/format.ts';
import { errorLine } from '../report/json-reporter.ts';
import { EXIT_CODES, explain } from './explain.ts';

export interface Ending {
  /** Exit code of the signal that ended the run, if one did. */
  readonly exit: number | undefined;
  /** What is on disk, and how to go on. */
  readonly kept: string | undefined;
}

/** Says what went wrong, in the way that the options ask for; returns the exit code. */
export function fail(
  error: FetchError,
  options: { readonly verbose?: boolean; readonly json?: boolean },
  ending?: Ending,
): number {
  const exit = ending?.exit ?? EXIT_CODES[error.code];
  const interrupted = error.code === 'ABORTED';
  if (interrupted) {
    const kept = ending?.kept ?? 'nothing was fetched yet; run the same command again';
    process.stderr.write(`fetch: ${printable(error.message)}; ${kept}\n`);
  } else {
    process.stderr.write(explain(error, { verbose: options.verbose ?? false }));
    if (ending?.kept !== undefined && error.code !== 'LOCKED')
      process.stderr.write(`fetch: ${ending.kept}\n`);
  }
  if (options.json) {
    const { code, message, hint } = error;
    const line = errorLine({ code, exit, message, hint });
    process.stdout.write(line.endsWith('\n') ? line : `${line}\n`);
  }
  return exit;
}
