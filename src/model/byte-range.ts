/** Bytes of a file, half-open: `start` is in, `end` is out. Offsets are bytes, `start < end`. */
export interface ByteRange {
  readonly start: number;
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
