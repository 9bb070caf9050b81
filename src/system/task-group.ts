/** Tasks that run in the background and are awaited together. */
export class TaskGroup {
  readonly #tasks = new Set<Promise<void>>();
  readonly #failed: (error: unknown) => void;
  readonly #ended: () => void;

  /** `failed` is called with each failure, `ended` at the end of each task. */
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

  /** Whether no task is running. */
  get idle(): boolean {
    return this.#tasks.size === 0;
  }

  /** Resolves when all tasks that were added until now have ended; never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#tasks);
  }
}
