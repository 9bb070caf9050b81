import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flatRanges, parseFlatRanges } from '../../../src/model/flat-ranges.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';

const range = fc
  .tuple(fc.nat(100), fc.integer({ min: 1, max: 20 }))
  .map(([start, length]) => ({ start, end: start + length }));

test('whatever is written is read again, merged', () => {
  fc.assert(
    fc.property(fc.array(range), (ranges) => {
      expect(parseFlatRanges(JSON.parse(JSON.stringify(flatRanges(ranges))))).toEqual(
        new IntervalSet(ranges).ranges,
      );
    }),
  );
});

test.each([
  [[0]],
  [[0, 10, 5]],
  [[0, 10, 10, 20]],
  [[0, 10, 5, 20]],
  [[20, 30, 0, 10]],
  [[5, 5]],
  [[-1, 5]],
  [[0, 1.5]],
  [[0, 2 ** 53]],
  [['0', '5']],
  [{ 0: 0, 1: 5, length: 2 }],
  [null],
])('%j is not such a list', (flat) => expect(parseFlatRanges(flat)).toBeUndefined());
