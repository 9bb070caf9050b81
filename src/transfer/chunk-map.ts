import { type HashedChunk, loadXetHashes, type XetHashes } from '../hash/xet-hash.ts';
import type { ByteRange } from '../model/byte-range.ts';
import type { ChunkRun } from '../model/chunks.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { XorbFetch } from '../source/location.ts';
import { PresentChunks } from './present-chunks.ts';
import type { ArrivedChunk } from './transport/transport.ts';

const HASH_BYTES = 32;
const FIRST_ROOM = 256;

/** A chunk that arrived, by its number in the map. */
interface Entry {
  readonly offset: number;
  readonly length: number;
  readonly xorb: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

/**
 * The chunks of one file that arrived, with the hashes of their bytes: about 50 bytes for each. Tells whether they are the
 * file's, and which of them are right although the whole is not.
 */
export class ChunkMap {
  readonly #xorbs: string[] = [];
  readonly #numbers = new Map<string, number>();
  #count = 0;
  /** None before the first chunk: most files come without, and there may be thousands. */
  #offsets = new Float64Array(0);
  /** Length, number of the xorb, number in the xorb. */
  #fields = new Uint32Array(0);
  #hashes = new Uint8Array(0);

  /** Chunks that were added and not forgotten; one may count twice. */
  get count(): number {
    return this.#count;
  }

  add({ offset, length, xorb, index, hash }: ArrivedChunk): void {
    let number = this.#numbers.get(xorb);
    if (number === undefined) {
      number = this.#xorbs.push(xorb) - 1;
      this.#numbers.set(xorb, number);
    }
    if (this.#count === this.#offsets.length) this.#grow();
    this.#set(this.#count, { offset, length, xorb: number, index, hash });
    this.#count += 1;
  }

  /** Forgets the chunks that have bytes in one of the ranges; all of them if none is given. */
  forget(ranges?: readonly ByteRange[]): void {
    const gone = new IntervalSet(ranges);
    let kept = 0;
    for (let number = 0; ranges !== undefined && number < this.#count; number += 1) {
      const entry = this.#at(number);
      const { offset, length } = entry;
      if (touches(gone, { start: offset, end: offset + length })) continue;
      this.#set(kept, entry);
      kept += 1;
    }
    this.#count = kept;
  }

  /** The Xet hash of the file, if all of its `size` bytes came as chunks. Empty if one came in two forms. */
  async fileHash(size: number): Promise<string | undefined> {
    const hashes = await loadXetHashes();
    const chunks: HashedChunk[] = [];
    let at = 0;
    for (const entry of this.#ordered()) {
      if (entry === 'two forms') return '';
      if (entry.offset !== at) return undefined;
      chunks.push(entry);
      at += entry.length;
    }
    return at === size ? hashes.file(chunks) : undefined;
  }

  /** Which chunks came, in the order of the file; undefined if two of them contradict each other. */
  runs(): readonly ChunkRun[] | undefined {
    const runs: { readonly xorb: string; readonly first: number; readonly lengths: number[] }[] = [];
    let at = 0;
    for (const entry of this.#ordered()) {
      if (entry === 'two forms' || entry.offset < at) return undefined;
      const xorb = this.#xorbs[entry.xorb]!;
      const last = runs.at(-1);
      const continues = last?.xorb === xorb && last.first + last.lengths.length === entry.index;
      if (continues && entry.offset === at) last.lengths.push(entry.length);
      else runs.push({ xorb, first: entry.index, lengths: [entry.length] });
      at = entry.offset + entry.length;
    }
    return runs;
  }

  /** Which chunks of these fetches are in the part, by what `received` says of it. */
  present(fetches: readonly XorbFetch[], received: IntervalSet): PresentChunks {
    const present = new PresentChunks(fetches);
    const byXorb = new Map(
      fetches.flatMap(({ xorb }) => {
        const number = this.#numbers.get(xorb);
        return number === undefined ? [] : [[number, xorb] as const];
      }),
    );
    for (let number = 0; byXorb.size > 0 && number < this.#count; number += 1) {
      const xorb = byXorb.get(this.#fields[number * 3 + 1]!);
      if (xorb === undefined) continue;
      const [offset, length] = [this.#offsets[number]!, this.#fields[number * 3]!];
      // A chunk at the edge of two segments is written by both.
      if (received.covers({ start: offset, end: offset + length }))
        present.add(xorb, this.#fields[number * 3 + 2]!, { offset, length });
    }
    return present;
  }

  /** The parts of the file that come from xorbs whose name their chunks give: these bytes are as they were uploaded. */
  async verified(): Promise<readonly ByteRange[]> {
    const hashes = await loadXetHashes();
    const byXorb = new Map<number, Entry[]>();
    const doubtful = new Set<number>();
    for (let number = 0; number < this.#count; number += 1) {
      const entry = this.#at(number);
      const others = byXorb.get(entry.xorb);
      if (others === undefined) byXorb.set(entry.xorb, [entry]);
      else others.push(entry);
    }
    for (const [xorb, entries] of byXorb)
      if (!isWhole(hashes, this.#xorbs[xorb]!, entries)) doubtful.add(xorb);
    const right = new IntervalSet();
    for (const entry of this.#ordered()) {
      if (entry === 'two forms' || doubtful.has(entry.xorb)) continue;
      right.add({ start: entry.offset, end: entry.offset + entry.length });
    }
    return right.ranges;
  }

  /** By offset. A chunk that came twice, at the edge of two segments, comes once. */
  *#ordered(): Generator<Entry | 'two forms'> {
    const order = Uint32Array.from({ length: this.#count }, (_, number) => number);
    order.sort((left, right) => this.#offsets[left]! - this.#offsets[right]!);
    let last: Entry | undefined;
    for (const number of order) {
      const entry = this.#at(number);
      if (last?.offset === entry.offset) {
        if (!isSame(last, entry)) yield 'two forms';
        continue;
      }
      last = entry;
      yield entry;
    }
  }

  #at(number: number): Entry {
    const fields = this.#fields;
    return {
      offset: this.#offsets[number]!,
      length: fields[number * 3]!,
      xorb: fields[number * 3 + 1]!,
      index: fields[number * 3 + 2]!,
      hash: this.#hashes.slice(number * HASH_BYTES, (number + 1) * HASH_BYTES),
    };
  }

  #set(number: number, { offset, length, xorb, index, hash }: Entry): void {
    this.#offsets[number] = offset;
    this.#fields.set([length, xorb, index], number * 3);
    this.#hashes.set(hash, number * HASH_BYTES);
  }

  #grow(): void {
    const room = Math.max(FIRST_ROOM, this.#offsets.length * 2);
    const [offsets, fields, hashes] = [this.#offsets, this.#fields, this.#hashes];
    this.#offsets = new Float64Array(room);
    this.#fields = new Uint32Array(room * 3);
    this.#hashes = new Uint8Array(room * HASH_BYTES);
    this.#offsets.set(offsets);
    this.#fields.set(fields);
    this.#hashes.set(hashes);
  }
}

/** Whether these chunks are all of a xorb, and right: only then their root is its name. */
function isWhole(hashes: XetHashes, name: string, entries: readonly Entry[]): boolean {
  const chunks: Entry[] = [];
  for (const entry of entries) {
    const known = chunks[entry.index];
    // A chunk may serve several places, but in one form only.
    if (known !== undefined && !isSame(known, entry)) return false;
    chunks[entry.index] = entry;
  }
  for (let index = 0; index < chunks.length; index += 1) if (chunks[index] === undefined) return false;
  return hashes.xorb(chunks) === name;
}

function isSame(left: Entry, right: Entry): boolean {
  return left.length === right.length && Buffer.compare(left.hash, right.hash) === 0;
}

function touches(set: IntervalSet, { start, end }: ByteRange): boolean {
  return set.ranges.some((range) => range.start < end && start < range.end);
}
