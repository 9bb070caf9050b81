import { describe, expect, test } from 'vitest';
import { median, quotients, schedule, spread, timesFaster } from '../../bench/statistics.ts';

const rounds = (...values: number[]) => values.map((value, index) => ({ round: index + 1, value }));

describe('median', () => {
  test.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[10, 1, 4, 2], 3],
    [[100, 20, 3], 20],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('of nothing is not a number, and the values stay in their order', () => {
    expect(median([])).toBeNaN();
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

test('spread has the ends as well', () => {
  expect(spread([4, 2, 9])).toEqual({ median: 4, min: 2, max: 9 });
});

describe('timesFaster', () => {
  test('compares within a round, whatever the weather of that round', () => {
    // The machine is ten times slower in the second round, for both.
    expect(timesFaster(rounds(1, 10, 1), rounds(2, 20, 2))).toBe(2);
  });

  test('is the median of the quotients, not the quotient of the medians', () => {
    expect(timesFaster(rounds(1, 4, 2), rounds(4, 4, 4))).toBe(2);
    expect(quotients(rounds(1, 4, 2), rounds(4, 4, 4))).toEqual([4, 1, 2]);
  });

  test('leaves out rounds that only one of them finished', () => {
    expect(
      quotients(
        [
          { round: 1, value: 2 },
          { round: 3, value: 4 },
        ],
        [
          { round: 2, value: 1 },
          { round: 3, value: 8 },
        ],
      ),
    ).toEqual([2]);
    expect(timesFaster(rounds(1), [])).toBeNaN();
  });
});

test('the schedule warms up once and turns round every second time', () => {
  expect(schedule(['a', 'b', 'c'], 3)).toEqual([
    { round: 0, entries: ['a', 'b', 'c'] },
    { round: 1, entries: ['c', 'b', 'a'] },
    { round: 2, entries: ['a', 'b', 'c'] },
    { round: 3, entries: ['c', 'b', 'a'] },
  ]);
});
