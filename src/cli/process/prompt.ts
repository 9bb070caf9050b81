import { createInterface } from 'node:readline';
import { FetchError } from '../../model/error.ts';
import { onAbort } from '../../system/on-abort.ts';

/** Whether there is somebody who can answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

export interface Question {
  readonly text: string;
  /** What Enter alone means. */
  readonly otherwise: boolean;
  readonly signal: AbortSignal;
}

/**
 * Asks on the terminal. Ctrl-D is a no; Ctrl-C rejects with ABORTED, and the signal with its reason. USAGE where there is
 * nobody to ask: nothing is decided by silence.
 */
export async function askYesNo({ text, otherwise, signal }: Question): Promise<boolean> {
  if (!canAsk()) {
    throw new FetchError(
      'USAGE',
      `nothing was done: "${text}" needs an answer, and there is no terminal to ask on`,
      {
        hint: 'If you mean it, say --yes.',
      },
    );
  }
  signal.throwIfAborted();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  let stopListening = () => {};
  try {
    return await new Promise<boolean>((resolve, reject) => {
      stopListening = onAbort(signal, () => reject(signal.reason));
      terminal.on('SIGINT', () => reject(new FetchError('ABORTED', 'interrupted by SIGINT')));
      // Ctrl-D, or a terminal that has gone away.
      terminal.on('close', () => {
        process.stderr.write('\n');
        resolve(false);
      });
      const prompt = `${text} ${otherwise ? '[Y/n]' : '[y/N]'} `;
      terminal.question(prompt, (answer) => {
        terminal.removeAllListeners('close');
        resolve(means(answer, otherwise));
      });
    });
  } finally {
    stopListening();
    terminal.close();
  }
}

function means(answer: string, otherwise: boolean): boolean {
  return answer.trim() === '' ? otherwise : /^\s*y(es)?\s*$/i.test(answer);
}
