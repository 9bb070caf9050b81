import { describe, expect, test } from 'vitest';
import { LocationPrefetcher } from '../../../../src/transfer/scheduling/location-prefetcher.ts';
import { Schedule } from '../../../../src/transfer/scheduling/schedule.ts';

const MIB = 1024 * 1024;

function scheduleOf(sizes: readonly number[]): Schedule {
  const schedule = new Schedule({ connections: 4 });
  for (const [file, size] of sizes.entries()) schedule.add(file, size, [{ start: 0, end: size }]);
  return schedule;
}

describe('looking ahead', () => {
  test('asks for one file more with each that begins, for none twice, and for large ones never', () => {
    const asked: number[] = [];
    const schedule = scheduleOf([20 * MIB, 100, 200, 300, 400]);
    const prefetcher = new LocationPrefetcher(schedule, 4, async (file) => asked.push(file));
    const begin = () => {
      const { segment } = schedule.take(0)!;
      prefetcher.asked(segment.file);
      return segment.file;
    };
    const begun = [begin(), begin(), begin(), begin(), begin()];
    expect(begun).toContain(0);
    expect(asked).toEqual([...new Set(asked)]);
    expect(asked).not.toContain(0);
    // Each was located before its turn came, except the first.
    const first = begun.find((file) => file !== 0);
    expect(asked).toEqual([1, 2, 3, 4].filter((file) => file !== first));
  });

  test('asks for no more than the connections can take', () => {
    const asked: number[] = [];
    const schedule = scheduleOf(Array.from({ length: 100 }, () => 100));
    const prefetcher = new LocationPrefetcher(schedule, 4, async (file) => asked.push(file));
    const { segment } = schedule.take(0)!;
    for (let time = 0; time < 50; time += 1) prefetcher.asked(segment.file);
    expect(asked).toEqual([1, 2, 3, 4]);
  });

  test('ends with the first refusal', async () => {
    let asked = 0;
    const schedule = scheduleOf([100, 100, 100, 100]);
    const prefetcher = new LocationPrefetcher(schedule, 4, () => {
      asked += 1;
      return Promise.reject(new Error('too many requests'));
    });
    prefetcher.asked(schedule.take(0)!.segment.file);
    await Promise.resolve();
    prefetcher.asked(schedule.take(0)!.segment.file);
    expect(asked).toBe(1);
  });
});
