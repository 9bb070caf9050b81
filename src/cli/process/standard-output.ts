import { fstatSync, writeSync } from 'node:fs';

/** Results go out through here, because a result that is lost must not look like success. */
let failure: NodeJS.ErrnoException | undefined;
let isFile: boolean | undefined;
let listens = false;

/** Writes to stdout; what goes wrong is for `outputFailure` to tell. A reader that has gone away ends it quietly. */
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

/** Where the system does not tell, as wine does not of a file, the stream is written to. */
function isRegularFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/** A disk that is nearly full takes a part of a text without complaint: only the next write fails. */
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

/** When everything has left. Undefined if it did, or if nobody wants it any more (`fetch … | head -1`). */
export async function outputFailure(): Promise<NodeJS.ErrnoException | undefined> {
  if (listens && failure === undefined) {
    const out = process.stdout;
    // Its error arrives at the listener first.
    await new Promise<void>((resolve) => {
      out.once('close', resolve).once('error', () => resolve());
      out.write('', () => resolve());
    });
  }
  return failure?.code === 'EPIPE' ? undefined : failure;
}

/** What the reporters write to. */
export const standardOutput: { write(text: string): unknown } = { write: writeOut };

/** What a terminal that does not know its width is taken for, and one that says 0. */
const USUAL_COLUMNS = 80;

/** How wide a table on stdout may be. A file or a pipe gets everything, unless COLUMNS says how wide it is. */
export function tableColumns(): number | undefined {
  const { columns, isTTY } = process.stdout;
  const told = Number(process.env['COLUMNS']);
  if (isTTY === true) return columns || USUAL_COLUMNS;
  return Number.isSafeInteger(told) && told >= 20 ? told : undefined;
}
