import { type XetLocation, type XorbFetch, XorbFetches } from '../../../source/location.ts';
import { MalformedChunk } from './chunk-decoder.ts';

/** A run of chunks of one fetch that stands at one place of the file. */
interface Place {
  /** Numbers of chunks; `end` is out. */
  readonly start: number;
  readonly end: number;
  /** Bytes of the run. */
  readonly length: number;
  /** Offset in the file of the chunk that comes next. */
  at: number;
  /** Offset in the file behind the run. */
  readonly until: number;
}

/** Where the chunks of one fetch belong in the file. */
export class Placement {
  readonly fetch: XorbFetch;
  /** Ascending by first chunk. */
  readonly #places: readonly Place[];
  #next = 0;
  #active: Place[] = [];

  constructor(fetch: XorbFetch, places: readonly Place[]) {
    this.fetch = fetch;
    this.#places = [...places].sort((left, right) => left.start - right.start);
  }

  /** The first byte of the file that the fetch serves. */
  get firstByte(): number {
    return this.#places.reduce((first, { at }) => Math.min(first, at), Number.POSITIVE_INFINITY);
  }

  /**
   * The offsets in the file of chunk number `index`, which has `length` bytes. Call it for each chunk of the fetch, in order.
   * Throws MalformedChunk if the chunks of a run do not add up to its length.
   */
  take(index: number, length: number): number[] {
    for (; this.#places[this.#next]?.start === index; this.#next += 1)
      this.#active.push(this.#places[this.#next]!);
    const offsets: number[] = [];
    let ended = false;
    for (const place of this.#active) {
      offsets.push(place.at);
      place.at += length;
      const isLast = index + 1 === place.end;
      ended ||= isLast;
      if (isLast ? place.at !== place.until : place.at >= place.until)
        throw new MalformedChunk(`chunks ${place.start}-${place.end} are not ${place.length} bytes`);
    }
    if (ended) this.#active = this.#active.filter(({ end }) => end > index + 1);
    return offsets;
  }
}

/** The fetches of a location, in the order in which the file needs them first. */
export function placements({ range, skip, terms, fetches }: XetLocation): Placement[] {
  const places = new Map<XorbFetch, Place[]>(fetches.map((fetch) => [fetch, []]));
  const byXorb = new XorbFetches(fetches);
  const ordered = new Set<XorbFetch>();
  let at = range.start - skip;
  for (const term of terms) {
    const { start, end, length } = term;
    const fetch = byXorb.of(term);
    if (fetch === undefined) throw new MalformedChunk(`no address for chunks ${start}-${end}`);
    ordered.add(fetch);
    places.get(fetch)!.push({ start, end, length, at, until: at + length });
    at += length;
  }
  return [...ordered].map((fetch) => new Placement(fetch, places.get(fetch)!));
}
