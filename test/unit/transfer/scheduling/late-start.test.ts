import { describe, expect, test } from 'vitest';
import { AdaptiveConcurrency } from '../../../../src/transfer/scheduling/adaptive-concurrency.ts';
import type { Traffic } from '../../../../src/transfer/scheduling/delivery-meter.ts';
import { hubLink } from '../../../support/simulator/link-model.ts';
import { runAdaptive } from '../../../support/simulator/part-of-best.ts';

function traffic(active: number, established = 0): Traffic {
  return {
    active,
    delivering: established,
    established,
    delivery: { bytes: 0, ms: 0 },
    waitMs: 0,
    requestMs: 0,
  };
}

/** The number of connections after each of these looks: milliseconds, connections at work, and those with a first byte. */
function limits(
  budget: AdaptiveConcurrency,
  looks: readonly (readonly [now: number, active: number, established: number])[],
): number[] {
  return looks.map(([now, active, established]) => {
    budget.observe(now, 0, traffic(active, established));
    return budget.limit;
  });
}

describe('a host that sends its first bytes late', () => {
  test('gets twice as many connections 300 ms after the last of the first requests, once', () => {
    expect(
      limits(new AdaptiveConcurrency(64, 0), [
        [900, 0, 0],
        [1000, 15, 0],
        [1100, 16, 0],
        [1399, 16, 0],
        [1400, 16, 0],
        [2000, 32, 0],
      ]),
    ).toEqual([16, 16, 16, 16, 32, 32]);
  });

  test('is looked at often enough to get them in time', () => {
    const link = hubLink({ fresh: 650, warm: 650 }, 100);
    // After 0, 100, … milliseconds.
    const { limits: numbers } = runAdaptive({ link, files: [1024 * 1024 * 1024] });
    expect(numbers.slice(0, 6)).toEqual([16, 16, 16, 16, 32, 32]);
  });

  test('never gets more than the most', () => {
    const looks = [
      [0, 16, 0],
      [300, 16, 0],
    ] as const;
    expect(limits(new AdaptiveConcurrency(20, 0), looks)).toEqual([16, 20]);
    expect(limits(new AdaptiveConcurrency(16, 0), looks)).toEqual([16, 16]);
  });

  test.each([
    ['one that has sent a byte', {}, 1],
    ['a near one', { hubWaitMs: 5 }, 0],
    ['one of chunks', { isChunked: true }, 0],
  ] as const)('%s keeps the number', (_name, hints, established) => {
    const budget = new AdaptiveConcurrency(64, 0, hints);
    const first = budget.limit;
    expect(
      limits(budget, [
        [0, first, 0],
        [100, first, established],
        [400, first, established],
      ]),
    ).toEqual([first, first, first]);
  });

  test('one that has refused keeps what it got', () => {
    const budget = new AdaptiveConcurrency(64, 0);
    limits(budget, [[0, 16, 0]]);
    budget.refused(100, 16);
    expect(limits(budget, [[400, 8, 0]])).toEqual([8]);
  });
});
