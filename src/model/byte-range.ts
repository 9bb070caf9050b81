/** A half-open range of bytes: `start` is included, `end` is not. `start < end`. */
export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** The byte after the last one. */
  readonly end: number;
}

export function rangeLength(range: ByteRange): number {
  return range.end - range.start;
}

export function totalLength(ranges: Iterable<ByteRange>): number {
  let total = 0;
  for (const range of ranges) total += rangeLength(range);
  return total;
}

/**
 * Which ranges of a file an address serves: any; exactly the one it was signed for; or none, so that the whole file
 * comes in one response.
 */
export type RangeSupport = 'any' | 'exact' | 'none';
