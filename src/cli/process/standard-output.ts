import { fstatSync, writeSync } from 'node:fs';

/** All results are written here, so that a result that cannot be written is an error and not a success. */
let failure: NodeJS.ErrnoException | undefined;
let isFile: boolean | undefined;
let listens = false;

/** Writes to stdout. `outputFailure` returns what went wrong. A closed pipe is no failure. */
export function writeOut(text: string): boolean {
  if (failure !== undefined || text === '') return true;
  try {
    isFile ??= isRegularFile(1);
    if (isFile) writeAll(text);
    else return stream().write(text);
  } catch (error) {
    failure ??= error as NodeJS.ErrnoException;
  }
  return true;
}

/**
 * Writes a short text without loading the streams, which take longer than the text: a pipe and a terminal have room for
 * it, and what does not fit goes the usual way.
 */
export function writeAtOnce(text: string): void {
  const bytes = Buffer.from(text);
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(1, bytes, done);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') writeOut(bytes.toString('utf8', done));
    else failure ??= error as NodeJS.ErrnoException;
  }
}

/** Loads what knows about terminals only for what can be one. */
export function isTerminal(): boolean {
  try {
    if (!fstatSync(1).isCharacterDevice()) return false;
  } catch {
    // As under wine.
  }
  return process.getBuiltinModule('node:tty').isatty(1);
}

/** False where fstat fails, as it does under wine: then the stream is used. */
function isRegularFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/** A nearly full disk accepts a part of the text without an error; only the next write fails. */
function writeAll(text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}

function stream(): NodeJS.WriteStream {
  if (!listens) {
    listens = true;
    process.stdout.on('error', (error) => {
      failure ??= error;
    });
  }
  return process.stdout;
}

/** Resolves when everything is written: the error, or undefined if all was written or the reader closed the pipe (`fetch … | head -1`). */
export async function outputFailure(): Promise<NodeJS.ErrnoException | undefined> {
  if (listens && failure === undefined) {
    const out = process.stdout;
    // The stream's error listener runs first.
    await new Promise<void>((resolve) => {
      out.once('close', resolve).once('error', () => resolve());
      out.write('', () => resolve());
    });
  }
  return failure?.code === 'EPIPE' ? undefined : failure;
}

/** The output of the reporters that print to stdout. */
export const standardOutput: { write(text: string): unknown } = { write: writeOut };

/** Width of a terminal that reports none, or 0. */
const USUAL_COLUMNS = 80;

/** Columns that a table on stdout may have; undefined (no limit) for a file or a pipe, unless COLUMNS is set. */
export function tableColumns(): number | undefined {
  const { columns, isTTY } = process.stdout;
  const told = Number(process.env['COLUMNS']);
  if (isTTY === true) return columns || USUAL_COLUMNS;
  return Number.isSafeInteger(told) && told >= 20 ? told : undefined;
}
