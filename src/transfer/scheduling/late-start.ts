import type { Traffic } from './delivery-meter.ts';

/** Without a first byte for so long, in milliseconds, the first connections are too few on any link. */
const LATE_MS = 300;
/** By which factor their number grows then. */
const FACTOR = 2;

/**
 * More connections for a host that takes long to send its first bytes. Whether they pay cannot be measured yet, but without
 * them the start takes a wait longer. Times are milliseconds.
 */
export class LateStart {
  /** When all connections had sent their requests; undefined before. */
  #askedAt: number | undefined;
  #isDone = false;

  /** The number of connections from now on; undefined if it stays. It grows once in a run. */
  grow(now: number, { active, established }: Traffic, limit: number): number | undefined {
    if (established > 0) this.#isDone = true;
    if (this.#isDone || active < limit) return undefined;
    this.#askedAt ??= now;
    if (now - this.#askedAt < LATE_MS) return undefined;
    this.#isDone = true;
    return limit * FACTOR;
  }
}
