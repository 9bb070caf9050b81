import { FetchError, toFetchError } from '../../model/error.ts';
import { printable } from '../../model/format.ts';
import { errorLine } from '../../report/progress/json-reporter.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import { EXIT_CODES, explain } from './exit-codes.ts';
import { markTold } from './last-resort.ts';
import { writeOut } from './standard-output.ts';

export interface Ending {
  /** Exit code of the signal that ended the run, if one did. */
  readonly exit: number | undefined;
  /** What is kept on disk, and how to resume. */
  readonly kept: string | undefined;
}

/** Reports an error on stderr, with `json` on stdout too; returns the exit code. */
export function fail(
  thrown: unknown,
  options: { readonly verbose?: boolean | undefined; readonly json?: boolean | undefined },
  ending?: Ending,
): number {
  const error = nameError(thrown);
  const exit = ending?.exit ?? EXIT_CODES[error.code];
  markTold();
  if (error.code === 'ABORTED') {
    const kept = ending?.kept ?? error.hint ?? 'nothing was fetched yet; run the same command again';
    process.stderr.write(`fetch: ${printable(error.message)}; ${printable(kept)}\n`);
  } else {
    process.stderr.write(explain(withoutKept(error), { verbose: options.verbose ?? false }));
    if (ending?.kept !== undefined && error.code !== 'LOCKED')
      process.stderr.write(`fetch: ${ending.kept}\n`);
  }
  if (options.json) {
    const { code, message, hint } = error;
    writeOut(errorLine({ code, exit, message, hint }));
  }
  return exit;
}

/** Removes the general hint about kept data: the exact amount is printed below the error, if anything is kept. */
function withoutKept(error: FetchError): FetchError {
  const hint = error.hint?.replace(/ ?What was fetched is kept: the same command resumes\./, '');
  if (hint === undefined || hint === '' || hint === error.hint) return error;
  const { code, message, cause } = error;
  return Object.assign(new FetchError(code, message, { hint, cause }), { stack: error.stack });
}

/** Turns system errors that no caller has named into DISK: a deleted working directory is not a bug. */
function nameError(thrown: unknown): FetchError {
  const { syscall, code, path } = (thrown ?? {}) as NodeJS.ErrnoException;
  if (syscall === 'uv_cwd') {
    return new FetchError('DISK', `the directory that this command was started in is gone (${code})`, {
      cause: thrown,
      hint: 'Change to a directory that exists, with cd, and run the same command again.',
    });
  }
  return toFetchError(path === undefined ? thrown : diskError(thrown, path));
}

/** The error for a result that could not be written. */
export function lostOutput(error: NodeJS.ErrnoException): FetchError {
  return new FetchError('DISK', `the result could not be written to stdout: ${error.message}`, {
    cause: error,
    hint: 'Free some space where stdout goes, or send it elsewhere, and run the same command again.',
  });
}
