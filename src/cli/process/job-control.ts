import { readFileSync } from 'node:fs';

/** A display that can be hidden while the program is stopped or asks a question. */
interface Pausable {
  pause(): () => void;
}

/**
 * Ctrl-Z: clears the rows, shows the cursor, then stops the program. After SIGCONT the display starts again at the
 * position of the cursor.
 */
export class JobControl implements Disposable {
  #goOn = () => {};
  readonly #stop: () => void;
  readonly #continue = () => {
    this.#goOn();
    this.#goOn = () => {};
  };

  constructor(display: Pausable) {
    this.#stop = () => {
      this.#goOn();
      this.#goOn = display.pause();
      process.kill(process.pid, 'SIGSTOP');
    };
    if (process.platform === 'win32' || process.stderr.isTTY !== true) return;
    process.on('SIGTSTP', this.#stop);
    process.on('SIGCONT', this.#continue);
  }

  [Symbol.dispose](): void {
    process.off('SIGTSTP', this.#stop);
    process.off('SIGCONT', this.#continue);
  }
}

/**
 * Whether this process owns the terminal: `fetch … &` shares it with the shell. Reads fields 5 and 8 of /proc/self/stat
 * (after the name in parentheses): our process group, and the foreground group of the terminal. True where unknown.
 */
export function isForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [group, terminal] = [Number(fields[2]), Number(fields[5])];
    return !(terminal > 0 && group !== terminal);
  } catch {
    return true;
  }
}
