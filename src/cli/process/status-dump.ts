/** How often `--verbose` says what the connections are at. */
const VERBOSE_MS = 30_000;

/**
 * Says what every connection is at: when the process gets SIGUSR1, and now and then with `--verbose`.
 * Windows has no SIGUSR1.
 */
export class StatusDump {
  readonly #print: (line: string) => void;
  #inspect: () => string[] = () => ['nothing is being transferred yet'];
  #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = () => this.#dump();

  constructor(verbose: boolean, print: (line: string) => void) {
    this.#print = print;
    if (process.platform !== 'win32') process.on('SIGUSR1', this.#onSignal);
    if (!verbose) return;
    this.#timer = setInterval(() => this.#dump(), VERBOSE_MS);
    this.#timer.unref();
  }

  begin(inspect: () => string[]): void {
    this.#inspect = inspect;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (process.platform !== 'win32') process.off('SIGUSR1', this.#onSignal);
  }

  #dump(): void {
    for (const line of this.#inspect()) this.#print(line);
  }
}
