import type { HeldFetch, XorbFetch } from '../source/location.ts';

/** Where a chunk is in the file. */
interface ChunkPlace {
  readonly offset: number;
  readonly length: number;
}

/** The chunks of some fetches that are in the part of a file. */
export class PresentChunks {
  readonly #fetches: readonly XorbFetch[];
  /** By xorb, and by their number in it. */
  readonly #places = new Map<string, Map<number, ChunkPlace>>();

  constructor(fetches: readonly XorbFetch[]) {
    this.#fetches = fetches;
  }

  add(xorb: string, index: number, place: ChunkPlace): void {
    const ofXorb = this.#places.get(xorb) ?? new Map<number, ChunkPlace>();
    this.#places.set(xorb, ofXorb.set(index, place));
  }

  /** Those of the fetches whose chunks are all here. */
  get held(): readonly HeldFetch[] {
    return this.#fetches.flatMap(({ xorb, start, end }) => {
      const leading = this.leading(xorb, start, end);
      return leading.lengths.length === end - start ? [leading] : [];
    });
  }

  /** Of the chunks `[start, end)` of a xorb, those before the first that is not here. */
  leading(xorb: string, start: number, end: number): HeldFetch {
    const ofXorb = this.#places.get(xorb);
    const offsets: number[] = [];
    const lengths: number[] = [];
    for (let index = start; index < end; index += 1) {
      const place = ofXorb?.get(index);
      if (place === undefined) break;
      offsets.push(place.offset);
      lengths.push(place.length);
    }
    return { xorb, start, offsets, lengths };
  }
}
