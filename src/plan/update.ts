import type { ByteRange } from '../model/byte-range.ts';
import type { ChunkRun, XetTerm } from '../model/chunks.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { LocalRange } from './make-plan.ts';

/** Bytes. A shorter copy between two gaps is fetched with them: one request costs about as much as so many bytes. */
const MIN_COPY_BYTES = 1_000_000;
/** An update that saves less than this, in bytes and as a part of the file, is not worth its requests and its reading. */
const MIN_SAVED_BYTES = 8_000_000;
const MIN_SAVED_PART = 0.1;

/** Whether an update of a file of `fileBytes` is made although it was not asked for. */
export function isWorthUpdating(savedBytes: number, fileBytes: number): boolean {
  return savedBytes >= MIN_SAVED_BYTES && savedBytes >= fileBytes * MIN_SAVED_PART;
}

/** An older or sibling version of a file on this machine, whose chunks are known. */
export interface LocalVersion {
  /** Absolute. */
  readonly path: string;
  /** All chunks of the file, in its order. */
  readonly runs: readonly ChunkRun[];
}

/** What other versions on this machine have of a file. */
export interface Update {
  /** Ascending, without overlap. */
  readonly ranges: readonly LocalRange[];
  /** All of the file. */
  readonly terms: readonly XetTerm[];
  readonly versions: readonly LocalVersion[];
}

interface LocalChunk {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The chunks of a file: its terms, and the length of each chunk as the file itself shows it. Undefined where the two do
 * not fit together, so that the lengths are those of another content.
 */
export function runsOf(terms: readonly XetTerm[], lengths: readonly number[]): ChunkRun[] | undefined {
  const runs: ChunkRun[] = [];
  let at = 0;
  for (const { xorb, start, end, length } of terms) {
    const own = lengths.slice(at, at + end - start);
    if (own.length !== end - start || sum(own) !== length) return undefined;
    runs.push({ xorb, first: start, lengths: own });
    at += own.length;
  }
  return at === lengths.length ? runs : undefined;
}

/**
 * All chunks of a file of `size` bytes, from those that came over the network and those of the versions that the rest was
 * copied from. Undefined where the length of one is not known.
 */
export function completeRuns(
  size: number,
  arrived: readonly ChunkRun[],
  update: Pick<Update, 'terms' | 'versions'> | undefined,
): readonly ChunkRun[] | undefined {
  if (sum(arrived.flatMap(({ lengths }) => lengths)) === size) return arrived;
  if (update === undefined) return undefined;
  const known = knownChunks([{ path: '', runs: arrived }, ...update.versions]);
  const runs: ChunkRun[] = [];
  for (const { xorb, start, end, length } of update.terms) {
    const lengths: number[] = [];
    for (let index = start; index < end; index += 1) {
      const chunk = known.get(xorb)?.get(index);
      if (chunk === undefined) return undefined;
      lengths.push(chunk.length);
    }
    if (sum(lengths) !== length) return undefined;
    runs.push({ xorb, first: start, lengths });
  }
  return runs;
}

/**
 * The parts of a file that local versions have: its chunks are named by their xorb and place in it, whose content never
 * changes. Ascending, without overlap. The length of a chunk that no version has is unknown, so of a term only what is
 * known from its start and from its end has a known offset.
 */
export function localRanges(terms: readonly XetTerm[], versions: readonly LocalVersion[]): LocalRange[] {
  const known = knownChunks(versions);
  const ranges: LocalRange[] = [];
  let at = 0;
  for (const term of terms) {
    for (const range of knownParts(term, at, known)) append(ranges, range);
    at += term.length;
  }
  return withoutShortCopies(ranges, at);
}

/** What is left of a file of that size. */
export function gapsBetween(ranges: readonly ByteRange[], size: number): ByteRange[] {
  return new IntervalSet(ranges).gaps(size);
}

/** By xorb and index. The first version that has a chunk counts. */
function knownChunks(versions: readonly LocalVersion[]): Map<string, Map<number, LocalChunk>> {
  const known = new Map<string, Map<number, LocalChunk>>();
  for (const { path, runs } of versions) {
    let offset = 0;
    for (const { xorb, first, lengths } of runs) {
      let chunks = known.get(xorb);
      if (chunks === undefined) {
        chunks = new Map();
        known.set(xorb, chunks);
      }
      for (const [index, length] of lengths.entries()) {
        if (!chunks.has(first + index)) chunks.set(first + index, { path, offset, length });
        offset += length;
      }
    }
  }
  return known;
}

/** What is known of a term that begins at `start` in the file. Nothing where the lengths contradict the term. */
function knownParts(
  term: XetTerm,
  start: number,
  known: ReadonlyMap<string, ReadonlyMap<number, LocalChunk>>,
): LocalRange[] {
  const chunks = known.get(term.xorb);
  if (chunks === undefined) return [];
  const head: LocalRange[] = [];
  let index = term.start;
  let at = start;
  for (let chunk = chunks.get(index); index < term.end && chunk !== undefined; chunk = chunks.get(index)) {
    head.push(rangeOf(chunk, at));
    at += chunk.length;
    index += 1;
  }
  const tail: LocalRange[] = [];
  let last = term.end;
  let end = start + term.length;
  for (let chunk = chunks.get(last - 1); last > index && chunk !== undefined; chunk = chunks.get(last - 1)) {
    end -= chunk.length;
    tail.unshift(rangeOf(chunk, end));
    last -= 1;
  }
  // With all chunks known the two meet exactly, and unknown chunks have at least a byte each.
  const fits = index === last ? at === end : end - at >= last - index;
  return fits ? [...head, ...tail] : [];
}

function rangeOf({ path, offset, length }: LocalChunk, start: number): LocalRange {
  return { start, end: start + length, path, offset };
}

/** Joins a range to the one before it where both are one piece of the same file. */
function append(ranges: LocalRange[], range: LocalRange): void {
  const last = ranges.at(-1);
  const continues =
    last !== undefined &&
    last.end === range.start &&
    last.path === range.path &&
    last.offset + (last.end - last.start) === range.offset;
  if (continues) ranges[ranges.length - 1] = { ...last, end: range.end };
  else ranges.push(range);
}

/** Drops copies between two gaps that are too short to be worth a request of their own. */
function withoutShortCopies(ranges: readonly LocalRange[], size: number): LocalRange[] {
  const kept: LocalRange[] = [];
  for (let first = 0; first < ranges.length; ) {
    let last = first;
    while (ranges[last + 1]?.start === ranges[last]?.end && last + 1 < ranges.length) last += 1;
    const copies = ranges.slice(first, last + 1);
    const start = copies[0]?.start ?? 0;
    const end = copies.at(-1)?.end ?? 0;
    if (start === 0 || end === size || end - start >= MIN_COPY_BYTES) kept.push(...copies);
    first = last + 1;
  }
  return kept;
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}
