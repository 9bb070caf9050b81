import type { Schedule } from './schedule.ts';

/**
 * Asks where the next small files are while others arrive: a small file costs two round trips, and one of
 * them can be spent in the shadow of another file's. As many are asked for ahead as are on their way.
 */
export class LocationPrefetcher {
  readonly #schedule: Schedule;
  readonly #locate: (file: number) => Promise<unknown>;
  readonly #connections: number;
  /** Files that were asked for and have not begun. */
  readonly #asked = new Set<number>();
  #trouble = false;

  constructor(schedule: Schedule, connections: number, locate: (file: number) => Promise<unknown>) {
    this.#schedule = schedule;
    this.#connections = connections;
    this.#locate = locate;
  }

  /** The bytes of this file are asked for: it is known where they are, and another file may be looked for. */
  asked(file: number): void {
    this.#asked.delete(file);
    if (this.#trouble || this.#asked.size >= this.#connections) return;
    for (const next of this.#schedule.nextSmall(this.#connections)) {
      if (this.#asked.has(next)) continue;
      this.#asked.add(next);
      // Whoever fetches the file will ask again, and deal with it. A server in trouble is not asked ahead of need.
      this.#locate(next).catch(() => {
        this.#trouble = true;
      });
      return;
    }
  }
}
