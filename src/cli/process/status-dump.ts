/** Between two status dumps with `--verbose`. */
const VERBOSE_MS = 30_000;

/**
 * Prints the state of every connection when the process receives SIGUSR1, and regularly with `--verbose`.
 * Windows has no SIGUSR1.
 */
export class StatusDump {
  readonly #print: (line: string) => void;
  #status: () => string[] = () => ['nothing is being transferred yet'];
  #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = () => this.#dump();

  constructor(verbose: boolean, print: (line: string) => void) {
    this.#print = print;
    if (process.platform !== 'win32') process.on('SIGUSR1', this.#onSignal);
    if (!verbose) return;
    this.#timer = setInterval(() => this.#dump(), VERBOSE_MS);
    this.#timer.unref();
  }

  begin(status: () => string[]): void {
    this.#status = status;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (process.platform !== 'win32') process.off('SIGUSR1', this.#onSignal);
  }

  #dump(): void {
    for (const line of this.#status()) this.#print(line);
  }
}
