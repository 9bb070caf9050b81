import { describe, expect, test } from 'vitest';
import { type Assignment, Schedule } from '../../../../src/transfer/scheduling/schedule.ts';
import { fixedSizing } from '../../../support/fixed-sizing.ts';

const MIB = 1024 * 1024;
const SIZE = 1024 * MIB;
const PART = 32 * MIB;
/** Bytes per millisecond. */
const FAST = 20_000;

/**
 * Connections take parts of one file, and connection number `straggler` delivers at `rate` for two seconds. What one
 * that has finished its part takes then, and the part of the straggler.
 */
function takenBeside({ straggler = 0, rate = 500, isBusy = false }): {
  readonly assignment: Assignment | undefined;
  readonly slow: Assignment['segment'];
} {
  const schedule = new Schedule({ sizing: fixedSizing(PART, PART), connections: 4 });
  schedule.add(0, SIZE, [{ start: 0, end: SIZE }]);
  const segments = Array.from({ length: 3 }, () => schedule.take(0)!.segment);
  for (let at = 0; at <= 2000; at += 200) {
    for (const [number, segment] of segments.entries()) {
      const bytes = number === straggler ? 200 * rate : 200 * 7000;
      segment.position = Math.min(segment.end - 1, segment.position + bytes);
      schedule.progress(segment, number === straggler ? bytes : 200 * FAST, at);
    }
  }
  const done = segments[straggler === 2 ? 1 : 2]!;
  done.position = done.end;
  schedule.release(done);
  return { assignment: schedule.take(2000, undefined, isBusy), slow: segments[straggler]! };
}

describe('a straggler at the front of a file, which the hash waits for', () => {
  test('loses its tail to the next connection that is free, although much is waiting', () => {
    const { assignment, slow } = takenBeside({});
    expect(assignment?.stolenFrom).toBe(slow);
    expect(assignment?.segment).toMatchObject({ position: slow.end, end: PART });
  });

  test.each([
    ['is not at the front', { straggler: 1 }],
    ['is only three times as slow as the others', { rate: FAST / 3 }],
    ['will soon be done', { rate: 7000 }],
    ['is on a machine without time', { isBusy: true }],
  ])('keeps it if it %s', (_why, scene) => {
    const { assignment } = takenBeside(scene);
    expect(assignment).toBeDefined();
    expect(assignment?.stolenFrom).toBeUndefined();
  });
});
