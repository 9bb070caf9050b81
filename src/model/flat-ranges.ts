import type { ByteRange } from './byte-range.ts';
import { IntervalSet } from './interval-set.ts';

/** Bytes per block of the journals: what is written of a file is known in such blocks, to later runs and to other machines. */
export const BLOCK_BYTES: number = 256 * 1024;

/** Start and end of each range, one after the other: the short form of records and answers. Ascending, and merged. */
export function flatRanges(ranges: Iterable<ByteRange>): number[] {
  return new IntervalSet(ranges).ranges.flatMap(({ start, end }) => [start, end]);
}

/** Ascending ranges that do not touch. Undefined if it is no such list: all of it comes from one writer, and none is believed. */
export function parseFlatRanges(flat: unknown): ByteRange[] | undefined {
  if (!Array.isArray(flat) || flat.length % 2 === 1 || !flat.every(Number.isSafeInteger)) return undefined;
  const numbers = flat as number[];
  // What touches would be one range.
  if (numbers.some((number, index) => number <= (numbers[index - 1] ?? -1))) return undefined;
  return numbers.flatMap((start, index) => (index % 2 === 0 ? [{ start, end: numbers[index + 1]! }] : []));
}
