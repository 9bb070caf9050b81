import { MAX_CHUNK_BYTES } from '../model/chunks.ts';
import type { IntervalSet } from '../model/interval-set.ts';
import { type HeldFetch, type XetLocation, XorbFetches } from '../source/location.ts';
import { type ChunkFlights, WORTH_CHUNKS } from './chunk-flights.ts';
import type { ChunkMap } from './chunk-map.ts';

/** How a file that repeats itself goes on from the first byte of a location. */
export type NextChunks =
  /** With this location, all of it. */
  | { readonly kind: 'bring'; readonly location: XetLocation }
  /** The chunks up to this offset come first: those behind it are here, or on their way. */
  | { readonly kind: 'narrow'; readonly end: number }
  /** What comes first is on its way already. */
  | { readonly kind: 'wait' };

/** Compares what a location brings with what the part has, and with what requests under way bring. */
export function nextChunks(
  location: XetLocation,
  chunks: ChunkMap,
  received: IntervalSet,
  flights: ChunkFlights,
): NextChunks {
  const { range, skip, terms, fetches } = location;
  const present = chunks.present(fetches, received);
  const { held } = present;
  const isHeld = new Set(
    held.map(({ xorb, start, lengths }) => `${xorb}:${start}-${start + lengths.length}`),
  );
  const byXorb = new XorbFetches(fetches);
  let at = range.start - skip;
  for (const [number, term] of terms.entries()) {
    const { xorb, start, end } = term;
    const fetch = byXorb.of(term)!;
    // Where a term begins long before the range, it is not known which of its chunks is the first one needed.
    const isPlain = number > 0 || skip < MAX_CHUNK_BYTES;
    if (isPlain && !isHeld.has(`${xorb}:${fetch.start}-${fetch.end}`)) {
      // All of the first term, of others enough to know that it is worth a copy.
      const most = number > 0 ? Math.min(end, start + WORTH_CHUNKS) : end;
      const copy = present.leading(xorb, start, most);
      const isHere =
        copy.lengths.length >= Math.min(WORTH_CHUNKS, end - start) && sum(copy) > (number > 0 ? 0 : skip);
      if (isHere || flights.brings(term)) {
        if (number > 0) return { kind: 'narrow', end: at };
        return isHere ? { kind: 'bring', location: copyOf(location, copy) } : { kind: 'wait' };
      }
    }
    at += term.length;
  }
  return { kind: 'bring', location: { ...location, held } };
}

/** The location of nothing but these chunks, which are the first of it. */
function copyOf({ range, skip }: XetLocation, copy: HeldFetch): XetLocation {
  const { xorb, start, lengths } = copy;
  const end = start + lengths.length;
  const length = sum(copy);
  return {
    kind: 'xet',
    range: { start: range.start, end: Math.min(range.end, range.start - skip + length) },
    skip,
    terms: [{ xorb, start, end, length }],
    // No address: nothing of it is asked for.
    fetches: [{ xorb, start, end, bytes: { start: 0, end: 1 }, url: '' }],
    held: [copy],
  };
}

function sum({ lengths }: HeldFetch): number {
  return lengths.reduce((total, length) => total + length, 0);
}
