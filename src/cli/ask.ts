import { createInterface } from 'node:readline/promises';
import { FetchError } from '../model/error.ts';

/** Asks on the terminal; USAGE where there is none: nothing is decided by silence. */
export async function askYesNo(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new FetchError(
      'USAGE',
      `nothing was done: "${question}" needs an answer, and there is no terminal to ask on`,
      {
        hint: 'If you mean it, say --yes.',
      },
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^\s*y(es)?\s*$/i.test(await terminal.question(`${question} [y/N] `));
  } finally {
    terminal.close();
  }
}
