import type { ByteRange } from './byte-range.ts';
import { firstIndex } from './first-index.ts';

/** A set of bytes of a file, kept as ascending, disjoint, non-touching ranges. */
export class IntervalSet {
  readonly #ranges: { start: number; end: number }[] = [];
  #size = 0;

  constructor(ranges: Iterable<ByteRange> = []) {
    for (const range of ranges) this.add(range);
  }

  /** Bytes in the set. */
  get size(): number {
    return this.#size;
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }

  /** Adds a range and returns how many of its bytes are new. */
  add({ start, end }: ByteRange): number {
    if (start >= end) return 0;
    const ranges = this.#ranges;
    const first = this.#firstEndingAtOrAfter(start);
    let last = first;
    let mergedStart = start;
    let mergedEnd = end;
    let known = 0;
    while (last < ranges.length && ranges[last]!.start <= end) {
      const other = ranges[last]!;
      known += Math.max(0, Math.min(end, other.end) - Math.max(start, other.start));
      mergedStart = Math.min(mergedStart, other.start);
      mergedEnd = Math.max(mergedEnd, other.end);
      last += 1;
    }
    if (last === first + 1) {
      // The usual case, a write that continues the last one: no splice, no garbage.
      ranges[first]!.start = mergedStart;
      ranges[first]!.end = mergedEnd;
    } else {
      ranges.splice(first, last - first, { start: mergedStart, end: mergedEnd });
    }
    const added = end - start - known;
    this.#size += added;
    return added;
  }

  clear(): void {
    this.#ranges.length = 0;
    this.#size = 0;
  }

  /** The end of the bytes from 0 on without a gap. */
  prefix(): number {
    const first = this.#ranges[0];
    return first === undefined || first.start > 0 ? 0 : first.end;
  }

  /** The end of the bytes from `position` on without a gap; `position` itself if that byte is not in the set. */
  prefixFrom(position: number): number {
    const range = this.#ranges[this.#firstEndingAtOrAfter(position + 1)];
    return range === undefined || range.start > position ? position : range.end;
  }

  /** Where the first range begins that begins at `position` or later; undefined if there is none. */
  firstStartFrom(position: number): number | undefined {
    const index = this.#firstEndingAtOrAfter(position);
    const range = this.#ranges[index];
    return range === undefined || range.start >= position ? range?.start : this.#ranges[index + 1]?.start;
  }

  /** Takes bytes out, and returns how many of them were in the set. */
  remove({ start, end }: ByteRange): number {
    if (start >= end) return 0;
    const before = this.#size;
    const kept = this.#ranges.flatMap((range) => [
      { start: range.start, end: Math.min(range.end, start) },
      { start: Math.max(range.start, end), end: range.end },
    ]);
    this.clear();
    for (const range of kept) this.add(range);
    return before - this.#size;
  }

  covers({ start, end }: ByteRange): boolean {
    const range = this.#ranges[this.#firstEndingAtOrAfter(end)];
    return start >= end || (range !== undefined && range.start <= start);
  }

  /** The ranges of `[0, size)` that are not in the set. */
  gaps(size: number): ByteRange[] {
    const gaps: ByteRange[] = [];
    let from = 0;
    for (const { start, end } of this.#ranges) {
      if (start >= size) break;
      if (start > from) gaps.push({ start: from, end: start });
      from = end;
    }
    if (from < size) gaps.push({ start: from, end: size });
    return gaps;
  }

  #firstEndingAtOrAfter(position: number): number {
    return firstIndex(this.#ranges, ({ end }) => end >= position);
  }
}
