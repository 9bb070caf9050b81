import { expect, test } from 'vitest';
import { Tally } from '../../../../src/report/progress/tally.ts';
import { Throughput } from '../../../../src/report/progress/throughput.ts';
import { timeLeftOf } from '../../../../src/report/progress/time-left.ts';
import { planned, planOf } from '../records.ts';

/** A hundred of `count` files of that size were finished in ten seconds; in the last five only a few bytes came. */
function after(count: number, size: number): number | undefined {
  const tally = new Tally();
  const throughput = new Throughput();
  const files = Array.from({ length: count }, (_, i) => planned(`f-${i}`, size));
  tally.apply({ type: 'planned', plan: planOf(files), directory: '/d' });
  throughput.start(0);
  for (let i = 0; i < 100; i += 1) {
    tally.apply({ type: 'file-started', path: `f-${i}`, size, held: 0 });
    tally.apply({ type: 'bytes', path: `f-${i}`, count: size });
    tally.apply({ type: 'file-finished', path: `f-${i}`, size, how: 'transferred' });
  }
  throughput.record(5 * size, 8000);
  return timeLeftOf(tally, throughput, 10_000);
}

test('many small files are reckoned by files, large ones by bytes', () => {
  // 10 files a second, 2,900 are left; by bytes it is one file a second.
  expect(after(3000, 519)).toBe(290_000);
  expect(after(3000, 5_000_000)).toBeCloseTo(2_900_000, -4);
});

test('nothing arrives: unknown', () => {
  const tally = new Tally();
  tally.apply({ type: 'planned', plan: planOf([planned('a', 10)]), directory: '/d' });
  expect(timeLeftOf(tally, new Throughput(), 1000)).toBeUndefined();
});
