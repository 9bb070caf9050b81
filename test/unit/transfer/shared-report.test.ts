import { expect, test } from 'vitest';
import { BLOCK_BYTES, flatRanges, parseFlatRanges } from '../../../src/model/flat-ranges.ts';
import { rangesByPath } from '../../../src/transfer/shared-report.ts';

test('segments that share a block are told as one range, and others understand it', () => {
  const segments = [
    { file: 0, position: 3 * BLOCK_BYTES + 10, end: 5 * BLOCK_BYTES },
    { file: 0, position: 100, end: 3 * BLOCK_BYTES + 10 },
    { file: 0, position: 9 * BLOCK_BYTES, end: 10 * BLOCK_BYTES },
    { file: 1, position: 7, end: 7 },
  ];
  const found = rangesByPath(segments, (file) => `${file}.bin`);
  expect([...found.keys()]).toEqual(['0.bin']);
  expect(parseFlatRanges(flatRanges(found.get('0.bin')!))).toEqual([
    { start: 0, end: 5 * BLOCK_BYTES },
    { start: 9 * BLOCK_BYTES, end: 10 * BLOCK_BYTES },
  ]);
});
