import { expect, test } from 'vitest';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { XorbFetch } from '../../../src/source/location.ts';
import { ChunkMap } from '../../../src/transfer/chunk-map.ts';

const hash = new Uint8Array(32);
const fetch = (xorb: string, start: number, end: number): XorbFetch => ({
  ...{ xorb, start, end },
  ...{ bytes: { start: 0, end: 1 }, url: '' },
});

/** Chunks 5, 6 and 7 of xorb `x` at 1000, 1010 and 1030; chunk 0 of `y` at 2000. */
function mapOf(): ChunkMap {
  const map = new ChunkMap();
  map.add({ offset: 1030, length: 30, xorb: 'x', index: 7, hash });
  map.add({ offset: 1000, length: 10, xorb: 'x', index: 5, hash });
  map.add({ offset: 2000, length: 5, xorb: 'y', index: 0, hash });
  map.add({ offset: 1010, length: 20, xorb: 'x', index: 6, hash });
  return map;
}

test('of fetches, those are held whose chunks are all in the part', () => {
  const all = new IntervalSet([{ start: 0, end: 3000 }]);
  const fetches = [fetch('x', 5, 8), fetch('x', 4, 7), fetch('x', 6, 9), fetch('y', 0, 1), fetch('z', 0, 1)];
  expect(mapOf().present(fetches, all).held).toEqual([
    { xorb: 'x', start: 5, offsets: [1000, 1010, 1030], lengths: [10, 20, 30] },
    { xorb: 'y', start: 0, offsets: [2000], lengths: [5] },
  ]);
});

test('a chunk of which a part is not written is not held', () => {
  const some = new IntervalSet([{ start: 0, end: 1059 }]);
  expect(mapOf().present([fetch('x', 5, 8)], some).held).toEqual([]);
  expect(mapOf().present([fetch('x', 5, 7)], some).held).toHaveLength(1);
});

test('what is forgotten is not held', () => {
  const map = mapOf();
  map.forget([{ start: 1010, end: 1011 }]);
  expect(map.present([fetch('x', 5, 8)], new IntervalSet([{ start: 0, end: 3000 }])).held).toEqual([]);
  map.forget();
  expect(map.present([fetch('y', 0, 1)], new IntervalSet([{ start: 0, end: 3000 }])).held).toEqual([]);
});

test('runs: what came, broken at gaps; undefined where two chunks contradict each other', () => {
  const map = mapOf();
  expect(map.runs()).toEqual([
    { xorb: 'x', first: 5, lengths: [10, 20, 30] },
    { xorb: 'y', first: 0, lengths: [5] },
  ]);
  map.add({ offset: 1005, length: 1, xorb: 'y', index: 3, hash });
  expect(map.runs()).toBeUndefined();
});
