import type { XetTerm } from '../model/chunks.ts';
import { firstIndex } from '../model/first-index.ts';
import type { XetLocation } from '../source/location.ts';
import { unlessAborted } from '../system/on-abort.ts';

/** So many chunks in a row are worth a request of their own to come but once. */
export const WORTH_CHUNKS = 4;

/** Terms of one xorb that begin before a chunk may overlap: so many are looked at. What is missed comes twice. */
const MAX_LOOKED_AT = 8;

/** Chunks that a request under way writes into the file. */
interface FlyingTerm {
  readonly start: number;
  readonly end: number;
  /** Offset in the file behind them. */
  readonly until: number;
}

interface Flight {
  /** Moves when a neighbour takes over its tail: what is behind it is not brought. */
  readonly window: { readonly end: number };
  /** By xorb, ascending by their first chunk. */
  readonly terms: ReadonlyMap<string, readonly FlyingTerm[]>;
}

/**
 * Which chunks requests under way bring into one file: who needs the same at another place waits for them, and copies. A request
 * waits before it begins and never later, so no two can wait for each other.
 */
export class ChunkFlights {
  readonly #flights = new Set<Flight>();
  #waiting: (() => void)[] = [];

  /** The request for a location begins; the result ends it. */
  begin(window: { readonly end: number }, { range, skip, terms }: XetLocation): () => void {
    const byXorb = new Map<string, Map<string, FlyingTerm>>();
    let until = range.start - skip;
    for (const { xorb, start, end, length } of terms) {
      until += length;
      const others = byXorb.get(xorb) ?? new Map<string, FlyingTerm>();
      byXorb.set(xorb, others);
      // A file may repeat one chunk a hundred thousand times: the first place tells enough.
      const name = `${start}-${end}`;
      if (!others.has(name)) others.set(name, { start, end, until });
    }
    const sorted = [...byXorb].map(([xorb, list]) => {
      return [xorb, [...list.values()].sort((left, right) => left.start - right.start)] as const;
    });
    const flight: Flight = { window, terms: new Map(sorted) };
    this.#flights.add(flight);
    return () => {
      this.#flights.delete(flight);
      this.moved();
    };
  }

  /** Whether the first chunks of a term are on their way: all of it, or as many as are worth a wait. */
  brings({ xorb, start, end }: XetTerm): boolean {
    const wanted = Math.min(end, start + WORTH_CHUNKS);
    for (const { window, terms } of this.#flights) {
      const sorted = terms.get(xorb) ?? [];
      const behind = firstIndex(sorted, (one) => one.start > start);
      const near = sorted.slice(Math.max(0, behind - MAX_LOOKED_AT), behind);
      if (near.some((one) => wanted <= one.end && one.until <= window.end)) return true;
    }
    return false;
  }

  /** Chunks were written, or a request has ended. */
  moved(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when the answers to `brings` may have changed. */
  async untilMoved(signal: AbortSignal): Promise<void> {
    const moved = new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    await unlessAborted(moved, signal);
  }
}
