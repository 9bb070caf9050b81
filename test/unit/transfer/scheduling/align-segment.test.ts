import { expect, test } from 'vitest';
import { Schedule } from '../../../../src/transfer/scheduling/schedule.ts';
import { fixedSizing } from '../../../support/fixed-sizing.ts';

const MIB = 1024 * 1024;
const KIB = 1024;

/** Segments of 8 MiB of one file of 64 MiB, as many as connections take. */
function take(count: number) {
  const schedule = new Schedule({ connections: 1, sizing: fixedSizing(8 * MIB) });
  schedule.add(0, 64 * MIB, [{ start: 0, end: 64 * MIB }]);
  const segments = Array.from({ length: count }, () => schedule.take(0)!.segment);
  return { schedule, segments, ends: () => segments.map(({ position, end }) => [position, end]) };
}

test('a segment takes the rest of its last chunk from what waits behind it', () => {
  const { schedule, segments, ends } = take(1);
  schedule.align(segments[0]!, { start: 0, end: 8 * MIB + 100 });
  expect(ends()).toEqual([[0, 8 * MIB + 100]]);
  // The next one begins where the chunk ends, and ends at a mebibyte as before.
  expect(schedule.take(0)!.segment).toMatchObject({ position: 8 * MIB + 100, end: 17 * MIB });
});

test('it takes a whole chunk at each end from neighbours that have requested nothing yet', () => {
  const { schedule, segments, ends } = take(3);
  for (const segment of segments) segment.asking = true;
  schedule.align(segments[1]!, { start: 8 * MIB - 70 * KIB, end: 16 * MIB + 30 * KIB });
  expect(ends()).toEqual([
    [0, 8 * MIB - 70 * KIB],
    [8 * MIB - 70 * KIB, 16 * MIB + 30 * KIB],
    [16 * MIB + 30 * KIB, 24 * MIB],
  ]);
});

test('it leaves neighbours alone that have requested their bytes, or that would have nothing left', () => {
  const { schedule, segments, ends } = take(3);
  const before = ends();
  schedule.align(segments[1]!, { start: 8 * MIB - 100, end: 16 * MIB + 100 });
  expect(ends()).toEqual(before);
  for (const segment of segments) segment.asking = true;
  schedule.align(segments[1]!, { start: 0, end: 24 * MIB });
  expect(ends()).toEqual(before);
});

test('it takes nothing beyond the end of the file, whatever the store says, and nothing of another file', () => {
  const schedule = new Schedule({ connections: 1, sizing: fixedSizing(64 * MIB) });
  schedule.add(0, 64 * MIB, [{ start: 0, end: 64 * MIB }]);
  const { segment } = schedule.take(0)!;
  schedule.add(1, 128 * MIB, [{ start: 64 * MIB, end: 128 * MIB }]);
  schedule.align(segment, { start: 0, end: 64 * MIB + 100 });
  expect(segment.end).toBe(64 * MIB);
  expect(schedule.take(0)!.segment).toMatchObject({ file: 1, position: 64 * MIB });
});
