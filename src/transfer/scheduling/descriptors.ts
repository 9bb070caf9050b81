import { FetchError } from '../../model/error.ts';
import type { Clock } from '../../system/clock.ts';
import { lacksDescriptor } from '../../system/descriptor-shortage.ts';

/** Maximum per connection: its socket, one that is just closing, a part, its journal, and the hash that reads it. */
const PER_CONNECTION = 5;
/** Per file that waits for verification: part, journal, hash. */
const PER_WAITING_FILE = 3;
/** For threads that have not started, directories, records, look-ups, and the Hub. */
const RESERVED = 40;
/** At most this many files wait for their hash. */
const MAX_WAITING = 72;

export interface DescriptorPlan {
  readonly connections: number;
  /** How many files may wait for verification before connections pause: each holds descriptors. */
  readonly waitingFiles: number;
}

/** How many connections and waiting files fit into the free descriptors; all of them if their number is unknown. */
export function fitDescriptors(free: number | undefined, connections: number): DescriptorPlan {
  if (free === undefined) return { connections, waitingFiles: MAX_WAITING };
  const room = free - RESERVED;
  const fitting = Math.floor(room / (PER_CONNECTION + PER_WAITING_FILE));
  const granted = Math.min(connections, Math.max(1, fitting));
  const left = Math.floor((room - granted * PER_CONNECTION) / PER_WAITING_FILE);
  return { connections: granted, waitingFiles: Math.min(MAX_WAITING, Math.max(1, left)) };
}

/** Whether this process or the system had no free descriptor: that may soon change. */
export function isDescriptorShortage({ cause }: FetchError): boolean {
  return lacksDescriptor(cause);
}

/** Milliseconds before new work after a shortage: other connections release descriptors soon. */
export const SHORTAGE_MS = 100;
/** Consecutive shortages with nothing that worked in between. */
export const MAX_SHORTAGES = 20;

/** Milliseconds that the end of a file waits for a descriptor: others release theirs when they end a segment. */
const MAX_SHORTAGE_MS = 300_000;

/** Repeats an action that finds no free descriptor until one is there, for at most `MAX_SHORTAGE_MS`. */
export async function whenDescriptorsAreFree<Result>(
  action: () => Promise<Result>,
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  signal: AbortSignal,
): Promise<Result> {
  const end = clock.monotonic() + MAX_SHORTAGE_MS;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const passes = error instanceof FetchError && isDescriptorShortage(error) && clock.monotonic() < end;
      if (!passes) throw error;
      await clock.sleep(SHORTAGE_MS, signal);
    }
  }
}

/** Limits the connections at work when descriptors run out, until the rest can work. */
export class DescriptorGuard {
  #allowed: number;
  #working = 0;
  #alone = 0;
  #closedUntil = Number.NEGATIVE_INFINITY;

  constructor(connections: number) {
    this.#allowed = connections;
  }

  full(now: number): boolean {
    return this.#working >= this.#allowed || now < this.#closedUntil;
  }

  enter(): void {
    this.#working += 1;
  }

  leave(): void {
    this.#working -= 1;
  }

  worked(): void {
    this.#alone = 0;
  }

  /**
   * A connection found no free descriptor. False if a single connection fails repeatedly, too, while no file is being
   * verified: each of those releases its descriptors when it ends.
   */
  short(now: number, verifies = false): boolean {
    this.#closedUntil = now + SHORTAGE_MS;
    this.#allowed = Math.max(1, Math.min(this.#allowed, Math.floor(this.#working / 2)));
    if (this.#working > 1 || verifies) return true;
    this.#alone += 1;
    return this.#alone < MAX_SHORTAGES;
  }
}
