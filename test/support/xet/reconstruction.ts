import type { Term } from './shard.ts';
import type { StoredXorb } from './xorb.ts';

/** Of file bytes; `end` is out. */
export interface FileRange {
  readonly start: number;
  readonly end: number;
}

export interface FetchRange {
  /** Of chunks; `end` is out. */
  readonly chunks: { readonly start: number; readonly end: number };
  /** Of the xorb as it is stored; `end` is in, as a Range header has it. */
  readonly bytes: { readonly start: number; readonly end: number };
}

/** An address that is good for these bytes of a xorb. */
export type SignAddress = (xorb: string, ranges: readonly FetchRange['bytes'][]) => string;

/** How a range of a file comes together. */
export interface Reconstruction {
  readonly offsetIntoFirstRange: number;
  readonly terms: readonly Term[];
  /** What to fetch of each xorb: chunks that follow each other are one range. */
  readonly xorbs: ReadonlyMap<string, readonly FetchRange[]>;
}

/** `narrow`: terms lose the chunks that the range does not need, as the live store does it. */
export function reconstruct(
  terms: readonly Term[],
  xorbs: ReadonlyMap<string, StoredXorb>,
  range: FileRange,
  narrow: boolean,
): Reconstruction {
  const kept: Term[] = [];
  let first: number | undefined;
  let at = 0;
  for (const term of terms) {
    const end = at + term.length;
    if (end > range.start && at < range.end) {
      const part = narrow ? narrowed(term, xorbOf(xorbs, term), at, range) : { term, at };
      first ??= part.at;
      kept.push(part.term);
    }
    at = end;
  }
  const offsetIntoFirstRange = first === undefined ? 0 : Math.max(range.start - first, 0);
  return { offsetIntoFirstRange, terms: kept, xorbs: fetchRanges(kept, xorbs) };
}

function narrowed(
  term: Term,
  xorb: StoredXorb,
  offset: number,
  range: FileRange,
): { readonly term: Term; readonly at: number } {
  let { start, end, length } = term;
  let at = offset;
  const lengthOf = (index: number): number => xorb.chunks[index]?.length ?? 0;
  while (start < end - 1 && at + lengthOf(start) <= range.start) {
    at += lengthOf(start);
    length -= lengthOf(start);
    start += 1;
  }
  while (end - 1 > start && at + length - lengthOf(end - 1) >= range.end) {
    end -= 1;
    length -= lengthOf(end);
  }
  return { term: { xorb: term.xorb, start, end, length }, at };
}

function fetchRanges(
  terms: readonly Term[],
  xorbs: ReadonlyMap<string, StoredXorb>,
): Map<string, FetchRange[]> {
  const wanted = new Map<string, { start: number; end: number }[]>();
  for (const { xorb, start, end } of terms) {
    const ranges = wanted.get(xorb) ?? [];
    ranges.push({ start, end });
    wanted.set(xorb, ranges);
  }
  return new Map(
    [...wanted].map(([hash, ranges]) => {
      const merged: { start: number; end: number }[] = [];
      for (const range of ranges.sort((left, right) => left.start - right.start)) {
        const last = merged.at(-1);
        if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
        else merged.push({ ...range });
      }
      const xorb = xorbs.get(hash);
      if (xorb === undefined) throw new Error(`no xorb ${hash}`);
      return [hash, merged.map((chunks) => ({ chunks, bytes: bytesOf(xorb, chunks) }))];
    }),
  );
}

function bytesOf({ chunks }: StoredXorb, { start, end }: FetchRange['chunks']): FetchRange['bytes'] {
  const first = chunks[start];
  const last = chunks[end - 1];
  if (first === undefined || last === undefined) throw new Error('a range of chunks that are not there');
  return { start: first.offset, end: last.offset + last.stored - 1 };
}

function xorbOf(xorbs: ReadonlyMap<string, StoredXorb>, { xorb }: Term): StoredXorb {
  const found = xorbs.get(xorb);
  if (found === undefined) throw new Error(`no xorb ${xorb}`);
  return found;
}

const termJson = ({ xorb, start, end, length }: Term): object => ({
  hash: xorb,
  unpacked_length: length,
  range: { start, end },
});

/** The answer of `/v1/reconstructions`: every range has an address of its own. */
export function firstVersion(
  { offsetIntoFirstRange, terms, xorbs }: Reconstruction,
  address: SignAddress,
): object {
  const entries = [...xorbs].map(([hash, ranges]) => [
    hash,
    ranges.map((range) => ({
      range: range.chunks,
      url: address(hash, [range.bytes]),
      url_range: range.bytes,
    })),
  ]);
  return {
    offset_into_first_range: offsetIntoFirstRange,
    terms: terms.map(termJson),
    fetch_info: Object.fromEntries(entries),
  };
}

/** The answer of `/v2/reconstructions`: one address is good for up to `most` ranges. */
export function secondVersion(
  { offsetIntoFirstRange, terms, xorbs }: Reconstruction,
  most: number,
  address: SignAddress,
): object {
  const entries = [...xorbs].map(([hash, ranges]) => {
    const groups: FetchRange[][] = [];
    for (let at = 0; at < ranges.length; at += most) groups.push(ranges.slice(at, at + most));
    return [
      hash,
      groups.map((group) => ({
        url: address(
          hash,
          group.map(({ bytes }) => bytes),
        ),
        ranges: group,
      })),
    ];
  });
  return {
    offset_into_first_range: offsetIntoFirstRange,
    terms: terms.map(termJson),
    xorbs: Object.fromEntries(entries),
  };
}
