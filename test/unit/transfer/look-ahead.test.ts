import { describe, expect, test } from 'vitest';
import { LookAhead } from '../../../src/transfer/look-ahead.ts';
import { Schedule } from '../../../src/transfer/schedule.ts';

const MIB = 1024 * 1024;

function scheduleOf(sizes: readonly number[]): Schedule {
  const schedule = new Schedule({ rangeSize: () => 4 * MIB, smallestRange: 4 * MIB, lanes: 4 });
  for (const [file, size] of sizes.entries()) schedule.add(file, size, [{ start: 0, end: size }]);
  return schedule;
}

describe('looking ahead', () => {
  test('asks for one file more with each that begins, for none twice, and for large ones never', () => {
    const asked: number[] = [];
    const schedule = scheduleOf([20 * MIB, 100, 200, 300, 400]);
    const lookAhead = new LookAhead(schedule, 4, async (file) => asked.push(file));
    const begin = () => {
      const { span } = schedule.take(0)!;
      lookAhead.asked(span.file);
      return span.file;
    };
    const begun = [begin(), begin(), begin(), begin(), begin()];
    expect(begun).toContain(0);
    expect(asked).toEqual([...new Set(asked)]);
    expect(asked).not.toContain(0);
    // Each was asked for before its own turn came; nobody could foresee the first.
    const first = begun.find((file) => file !== 0);
    expect(asked).toEqual([1, 2, 3, 4].filter((file) => file !== first));
  });

  test('asks for no more than the lanes can take', () => {
    const asked: number[] = [];
    const schedule = scheduleOf(Array.from({ length: 100 }, () => 100));
    const lookAhead = new LookAhead(schedule, 4, async (file) => asked.push(file));
    const { span } = schedule.take(0)!;
    for (let time = 0; time < 50; time += 1) lookAhead.asked(span.file);
    expect(asked).toEqual([1, 2, 3, 4]);
  });

  test('ends with the first refusal', async () => {
    let asked = 0;
    const schedule = scheduleOf([100, 100, 100, 100]);
    const lookAhead = new LookAhead(schedule, 4, () => {
      asked += 1;
      return Promise.reject(new Error('too many requests'));
    });
    lookAhead.asked(schedule.take(0)!.span.file);
    await Promise.resolve();
    lookAhead.asked(schedule.take(0)!.span.file);
    expect(asked).toBe(1);
  });
});
