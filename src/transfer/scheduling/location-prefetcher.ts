import type { Schedule } from './schedule.ts';

/**
 * Locates the next small files while others arrive: a small file costs two round trips, and this overlaps the first
 * with another transfer. At most as many are located ahead as there are connections.
 */
export class LocationPrefetcher {
  readonly #schedule: Schedule;
  readonly #locate: (file: number) => Promise<unknown>;
  readonly #limit: number;
  /** Located files whose transfer has not started. */
  readonly #asked = new Set<number>();
  #trouble = false;

  /** `limit`: most files that are located ahead. */
  constructor(schedule: Schedule, limit: number, locate: (file: number) => Promise<unknown>) {
    this.#schedule = schedule;
    this.#limit = limit;
    this.#locate = locate;
  }

  /** A request for bytes of this file was sent, so its location is known and the next file can be located. */
  asked(file: number): void {
    this.#asked.delete(file);
    if (this.#trouble || this.#asked.size >= this.#limit) return;
    for (const next of this.#schedule.nextSmall(this.#limit)) {
      if (this.#asked.has(next)) continue;
      this.#asked.add(next);
      // The connection that transfers the file will ask again and handle the error. Do not prefetch from a failing server.
      this.#locate(next).catch(() => {
        this.#trouble = true;
      });
      return;
    }
  }
}
