import { readFileSync } from 'node:fs';

/** What of a display has to stand back while the program is stopped, or while somebody is asked. */
interface Pausable {
  pause(): () => void;
}

/**
 * Ctrl-Z: the rows go, the cursor comes back, and only then the program stops. When it goes on, the display begins anew
 * where the cursor is by then.
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
 * Whether the terminal is ours to paint on: `fetch … &` shares it with the shell. Fields 5 and 8 of /proc/self/stat, behind
 * the name in parentheses: our process group, and the one that the terminal belongs to. True where the system does not say.
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
