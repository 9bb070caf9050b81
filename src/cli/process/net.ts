import { writeSync } from 'node:fs';
import { runCleanups } from '../../system/at-exit.ts';
import { wantsJson } from '../options/words.ts';

/** As in the table of explain.ts, which is not loaded for help. */
const EXIT_BUG = 1;
/** Exit codes of signals. */
const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };
/** A program whose work is done ends; what it left open is not waited for. */
const GRACE_MS = 2000;
/** Node's code for work that nothing will ever finish. */
const EXIT_DRAINED = 13;

let settled = false;
let told = false;

/**
 * The net under the program: whatever happens, it ends with a code of the table, one paragraph and a hint, and without a
 * lock of its own. To be called before anything else.
 */
export function installNet(): void {
  for (const [name, exit] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      // A run that is under way ends in order by itself: see interruption.ts.
      if (process.listenerCount(name) > 1) return;
      // And one that has told how it ended ends with just that.
      if (told || settled) return;
      lastWords({ code: 'ABORTED', exit, message: `interrupted by ${name}`, hint: NOTHING_YET });
      process.exit(exit);
    });
  }
  process.on('uncaughtException', (thrown) => crash(thrown));
  process.on('unhandledRejection', (thrown) => crash(thrown));
  process.on('exit', (exit) => {
    if (!settled) exitEarly(exit);
    runCleanups();
  });
}

/** The error has been told: nothing more is to be said at the end. */
export function markTold(): void {
  told = true;
}

/** The work is done: the process ends with this code, at once or when what is still open has had a moment. */
export function settle(exit: number, verbose: boolean): void {
  settled = true;
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
  settled = true;
  process.exit(EXIT_BUG);
}

/** The process ends although the work has not. */
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

/** Says an error without waiting for anything: there may be no next turn of the loop. */
function lastWords({ code, exit, message, hint }: LastError, stack?: string): void {
  if (told) return;
  told = true;
  const clean = message.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 2000);
  // The cursor may be hidden, and its row half written.
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
      // Under wine only the stream knows where the descriptor leads.
      if (code === 'EBADF') (descriptor === 1 ? process.stdout : process.stderr).write(text);
      if (code !== 'EAGAIN') return;
      // A pipe whose reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
