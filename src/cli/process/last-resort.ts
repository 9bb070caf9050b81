import { writeSync } from 'node:fs';
import { runCleanups } from '../../system/at-exit.ts';
import { wantsJson } from '../options/command-line.ts';

/** As in exit-codes.ts, which is not loaded for --help; a test compares the two. */
export const EXIT_BUG = 1;
/** Exit codes of signals, as in exit-codes.ts. */
export const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };
/** Milliseconds that the program waits for open handles after its work is done. */
const GRACE_MS = 2000;
/** Node's exit code for a pending top-level await when the event loop is empty. */
const EXIT_DRAINED = 13;

let finished = false;
let told = false;

/**
 * Makes every end of the process a documented one: an exit code of the table, one paragraph with a hint, and no directory
 * lock left behind. Call it before anything else.
 */
export function installLastResort(): void {
  for (const [name, exit] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      // A run in progress has its own handler and ends by itself: see signals.ts.
      if (process.listenerCount(name) > 1) return;
      // The result has been reported already: add nothing.
      if (told || finished) return;
      lastWords({ code: 'ABORTED', exit, message: `interrupted by ${name}`, hint: NOTHING_YET });
      process.exit(exit);
    });
  }
  process.on('uncaughtException', (thrown) => crash(thrown));
  process.on('unhandledRejection', (thrown) => crash(thrown));
  process.on('exit', (exit) => {
    if (!finished) exitEarly(exit);
    runCleanups();
  });
}

/** The error has been reported: nothing is added at the end. */
export function markTold(): void {
  told = true;
}

/** The work is done: ends the process with this code, at the latest after `GRACE_MS`. */
export function finish(exit: number, verbose: boolean): void {
  finished = true;
  process.exitCode = exit;
  const timer = setTimeout(() => {
    if (verbose) write(2, `fetch: left open: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(exit);
  }, GRACE_MS);
  timer.unref();
}

const NOTHING_YET = 'nothing was fetched yet; run the same command again';
const AGAIN = 'what was fetched is kept; run the same command again to resume';
const BUG_HINT = 'This is a bug in fetch. Run the same command with --verbose and report what it prints.';

function crash(thrown: unknown): never {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const stack = process.argv.includes('--verbose') && thrown instanceof Error ? thrown.stack : undefined;
  lastWords({ code: 'BUG', exit: EXIT_BUG, message, hint: BUG_HINT }, stack);
  finished = true;
  process.exit(EXIT_BUG);
}

/** The process is exiting before the work is done. */
function exitEarly(exit: number): void {
  if (exit === 0 || exit === EXIT_DRAINED) {
    process.exitCode = EXIT_BUG;
    const message = 'the program had nothing left to wait for before its work was done';
    lastWords({ code: 'BUG', exit: EXIT_BUG, message, hint: BUG_HINT });
  } else if (exit === SIGNALS['SIGINT'] || exit === SIGNALS['SIGTERM']) {
    lastWords({ code: 'ABORTED', exit, message: 'interrupted twice, and ended at once', hint: AGAIN });
  }
}

interface LastError {
  readonly code: string;
  readonly exit: number;
  readonly message: string;
  readonly hint: string;
}

/** Reports an error synchronously: the event loop may not run again. */
function lastWords({ code, exit, message, hint }: LastError, stack?: string): void {
  if (told) return;
  told = true;
  const clean = message.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 2000);
  // A progress bar may have hidden the cursor and half written a row.
  if (process.stderr.isTTY) write(2, '\x1b[?25h\r\x1b[J');
  const isAbort = code === 'ABORTED';
  write(2, isAbort ? `fetch: ${clean}; ${hint}\n` : `fetch: error: ${clean}\nhint: ${hint}\n`);
  if (stack !== undefined) write(2, `${stack}\n`);
  if (wantsJson(process.argv.slice(2)))
    write(1, `${JSON.stringify({ event: 'error', v: 1, code, exit, message: clean, hint })}\n`);
}

function write(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0, tries = 0; done < bytes.length && tries < 100; tries += 1) {
    try {
      done += writeSync(descriptor, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Under wine only the stream can write to the descriptor.
      if (code === 'EBADF') (descriptor === 1 ? process.stdout : process.stderr).write(text);
      if (code !== 'EAGAIN') return;
      // The pipe is full: wait 10 ms for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
