/** Bytes of a file, half-open: `start` is in, `end` is out. Offsets are bytes, `start < end`. */
export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** The byte behind the last one. */
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
 * The ranges of a file that an address serves: any; exactly the one that it was signed for; or none, so that the whole
 * file comes in one answer.
 */
export type RangeSupport = 'any' | 'exact' | 'none';
