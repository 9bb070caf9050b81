import { createInterface } from 'node:readline';
import { FetchError, usage } from '../../model/error.ts';
import { onAbort } from '../../system/on-abort.ts';

/** Whether a question can be asked: stdin and stderr are a terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

export interface Question {
  readonly text: string;
  /** The answer that Enter alone gives. */
  readonly otherwise: boolean;
  readonly signal: AbortSignal;
}

/**
 * Asks on the terminal. Ctrl-D is a no; Ctrl-C rejects with ABORTED, an abort with the signal's reason. Throws USAGE
 * without a terminal: no answer is never taken for yes.
 */
export async function askYesNo({ text, otherwise, signal }: Question): Promise<boolean> {
  if (!canAsk()) {
    throw usage(
      `nothing was done: "${text}" needs an answer, and there is no terminal to ask on`,
      'If you mean it, say --yes.',
    );
  }
  signal.throwIfAborted();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  let stopListening = () => {};
  try {
    return await new Promise<boolean>((resolve, reject) => {
      stopListening = onAbort(signal, () => reject(signal.reason));
      terminal.on('SIGINT', () => reject(new FetchError('ABORTED', 'interrupted by SIGINT')));
      // Ctrl-D, or the terminal was closed.
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
