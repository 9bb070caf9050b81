import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteRange } from '../../../src/model/byte-range.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';

const SIZE = 40;

/** The same set, one flag per byte. */
class Bitmap {
  readonly flags: boolean[] = Array.from({ length: SIZE }, () => false);

  add({ start, end }: ByteRange): number {
    let added = 0;
    for (let at = start; at < end; at += 1) {
      if (!this.flags[at]) added += 1;
      this.flags[at] = true;
    }
    return added;
  }

  /** Maximal runs of equal flags below `size`. */
  runs(value: boolean, size = SIZE): ByteRange[] {
    const found: ByteRange[] = [];
    for (let at = 0; at < size; at += 1) {
      if (this.flags[at] !== value) continue;
      const last = found.at(-1);
      if (last?.end === at) found[found.length - 1] = { start: last.start, end: at + 1 };
      else found.push({ start: at, end: at + 1 });
    }
    return found;
  }
}

const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([left, right]) => ({ start: Math.min(left, right), end: Math.max(left, right) }));

describe('an interval set', () => {
  test('is what a bitmap is, after every step', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), fc.array(range, { maxLength: 10 }), (added, asked) => {
        const set = new IntervalSet();
        const bitmap = new Bitmap();
        for (const one of added) {
          expect(set.add(one)).toBe(bitmap.add(one));
          const runs = bitmap.runs(true);
          expect(set.ranges).toEqual(runs);
          expect(set.size).toBe(bitmap.flags.filter(Boolean).length);
          expect(set.prefix()).toBe(runs[0]?.start === 0 ? runs[0].end : 0);
        }
        for (const one of asked) {
          expect(set.covers(one)).toBe(bitmap.flags.slice(one.start, one.end).every(Boolean));
          expect(set.gaps(one.end)).toEqual(bitmap.runs(false, one.end));
        }
        expect(new IntervalSet(added).ranges).toEqual(set.ranges);
        set.clear();
        expect([set.size, set.ranges, set.prefix()]).toEqual([0, [], 0]);
        expect(set.gaps(SIZE)).toEqual([{ start: 0, end: SIZE }]);
      }),
      { numRuns: 500 },
    );
  });

  test('does not keep or change what it was given', () => {
    const given = Object.freeze({ start: 3, end: 5 });
    const set = new IntervalSet([given]);
    set.add({ start: 5, end: 9 });
    expect(given).toEqual({ start: 3, end: 5 });
    expect(set.ranges).toEqual([{ start: 3, end: 9 }]);
  });

  test('ignores empty and reversed ranges', () => {
    const set = new IntervalSet([{ start: 4, end: 8 }]);
    expect(set.add({ start: 6, end: 6 })).toBe(0);
    expect(set.add({ start: 9, end: 2 })).toBe(0);
    expect(set.ranges).toEqual([{ start: 4, end: 8 }]);
    expect(set.covers({ start: 20, end: 20 })).toBe(true);
  });

  test('counts beyond 32 bits', () => {
    const start = 2 ** 41;
    const set = new IntervalSet([{ start, end: start + 10 }]);
    expect(set.add({ start: start - 5, end: start + 20 })).toBe(15);
    expect(set.size).toBe(25);
    expect(set.gaps(2 ** 42)).toEqual([
      { start: 0, end: start - 5 },
      { start: start + 20, end: 2 ** 42 },
    ]);
  });
});
