/** Work that nobody waits for until the end. */
export class TaskGroup {
  readonly #tasks = new Set<Promise<void>>();
  readonly #failed: (error: unknown) => void;
  readonly #ended: () => void;

  /** `failed` hears of every failure, `ended` of every end. */
  constructor(failed: (error: unknown) => void, ended: () => void) {
    this.#failed = failed;
    this.#ended = ended;
  }

  add(work: Promise<void>): void {
    const task = work.catch(this.#failed).finally(() => {
      this.#tasks.delete(task);
      this.#ended();
    });
    this.#tasks.add(task);
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#tasks.size === 0;
  }

  /** Resolves when all that was added until now has ended; never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#tasks);
  }
}
