import { describe, expect, test } from 'vitest';
import { AdaptiveConcurrency } from '../../../src/transfer/scheduling/adaptive-concurrency.ts';
import { Collapses } from '../../../src/transfer/scheduling/collapses.ts';
import type { Traffic } from '../../../src/transfer/scheduling/delivery-meter.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { type LinkRun, runLink, type SimulatedLink } from '../../support/simulated-link.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const MAX = 32;

/** Above some number of connections each gets a trickle, below it a good rate. Bytes per millisecond. */
const starving =
  (above: number, each: number, trickle: number, from = 0) =>
  (connections: number, now: number) =>
    connections * (now >= from && connections > above ? trickle : each);

function notes({ changes }: LinkRun): string[] {
  return changes.flatMap(({ insteadOf, to }) => (insteadOf === undefined ? [] : [`${insteadOf} → ${to}`]));
}

function rateOf({ bytes }: LinkRun, from: number, to: number): number {
  return (bytes[to]! - bytes[from]!) / (to - from);
}

/** So many connections that deliver all the time. */
function traffic(active: number, bytes: number, now: number): Traffic {
  const delivery = { bytes, ms: active * now };
  return { active, delivering: active, established: 12, delivery, waitMs: 50, requestMs: 1000 };
}

describe('a server that starves all when there are more than', () => {
  test.each([
    [4, 20, 10],
    [4, 20, 50],
    [4, 2, 300],
    [8, 62, 50],
    [5, 20, 100],
    [1, 20, 50],
    [2, 20, 50],
    [11, 10, 50],
  ])(
    '%d, from the start: three times the time of so many, and 15 s (%d B/ms, %d ms)',
    (above, trickle, latencyMs) => {
      const link = { rate: starving(above, 10_000, trickle), latencyMs };
      const total = 400 * MIB;
      const best = runLink(link, { total, most: above, fixed: above });
      const run = runLink(link, { total, most: MAX });
      expect(run.endedAt).toBeLessThan(3 * best.endedAt + 15_000);
      expect(notes(run).length).toBe(1);
    },
  );

  test('4, after a good minute: the way down takes seconds', () => {
    const link = { rate: starving(4, 10_000, 20, 60_000), latencyMs: 50 };
    const run = runLink(link, { total: 40 * GIB, most: MAX });
    expect(run.limits[59_000]).toBe(MAX);
    expect(run.limits[70_000]).toBe(4);
    expect(notes(run)).toEqual(['32 → 4']);
    expect(rateOf(run, 70_000, 78_000)).toBeGreaterThan(0.95 * 40_000);
    // Probing upwards costs less and less.
    expect(rateOf(run, 85_000, 400_000)).toBeGreaterThan(0.85 * 40_000);
  });

  test('20: growing beyond it is taken back, and not tried again soon', () => {
    const link = { rate: starving(20, 10_000, 20), latencyMs: 50 };
    const run = runLink(link, { total: 30 * GIB, most: MAX });
    expect(notes(run)).toEqual(['32 → 4']);
    expect(rateOf(run, 10_000, run.endedAt - 1)).toBeGreaterThan(0.8 * 120_000);
    const tries = run.limits.filter((limit, index) => limit > 20 && !(run.limits[index - 1]! > 20)).length;
    expect(tries).toBeLessThan(6);
  });

  // At 30,000 the machine counts as full, and fewer than 8 are being tried when the starving shows.
  test.each([10_000, 30_000])(
    '8, but not at once: only those that are too many are closed (%d B/ms)',
    (each) => {
      for (const lateMs of [100, 150, 200, 300, 400]) {
        let since: number | undefined;
        const rate = (connections: number, now: number) => {
          since = connections > 8 ? (since ?? now) : undefined;
          if (since === undefined) return connections * each;
          return connections * (now - since < lateMs ? each / 2 : 62);
        };
        const run = runLink({ rate, latencyMs: 5 }, { total: 2e9, most: 64, hubWaitMs: 5 });
        expect(notes(run), `${lateMs} ms late`).toEqual(['16 → 8']);
        expect(rateOf(run, 3000, 7500), `${lateMs} ms late`).toBeGreaterThan(0.95 * 8 * each);
      }
    },
  );

  test.each([
    [5, 44_000, 850],
    [200, 44_000, 750],
    [200, 44_000, 3630],
    [5, 200_000, 2450],
    [5, 44_000, 480],
  ])('4, in the middle of the climb: %d ms, %d B/ms in all, after %d ms', (latencyMs, most, from) => {
    for (const noise of [0.3, 0.8])
      for (let step = 0; step < 12; step += 1) {
        const start = from + 30 * step;
        const rate = (connections: number, now: number) =>
          now >= start && connections > 4 ? connections * 20 : Math.min(most, connections * 10_000);
        const random = randomNumbers(start * 7 + most);
        const run = runLink({ rate, latencyMs, noise, random }, { total: 3e9, most: 64 });
        const above = run.limits.slice(start + 10_000, start + 17_000).filter((limit) => limit > 4).length;
        expect(above, `from ${start}, noise ${noise}`).toBeLessThan(6500);
      }
  });

  test('4, for a few minutes only: all connections are used again', () => {
    const rate = (connections: number, now: number) =>
      connections * (now > 20_000 && now < 120_000 && connections > 4 ? 20 : 1000);
    const run = runLink({ rate, latencyMs: 50 }, { total: 12 * GIB, most: MAX });
    expect(run.limits[30_000]).toBeLessThanOrEqual(4);
    expect(run.limits.at(-1)).toBe(MAX);
  });
});

test('where those beyond the limit cannot be closed, fewer are tried all the same', () => {
  const collapses = new Collapses(undefined);
  const steps: unknown[] = [];
  for (let now = 0; now < 12_000; now += 50) {
    const bytes = 16 * 20 * now;
    const step = collapses.observe({ now, bytes, limit: 8, active: 16, delivering: 16 }, undefined);
    if (step !== undefined) steps.push([step.limit, step.drop]);
    if (collapses.busy) break;
  }
  expect(steps).toEqual([
    [8, 'excess'],
    [4, 'all'],
  ]);
});

describe('no collapse is', () => {
  const quiet = (link: SimulatedLink, total: number, allowed?: number) => {
    const run = runLink(link, { total, most: MAX, ...(allowed === undefined ? {} : { allowed }) });
    expect(notes(run)).toEqual([]);
    return run;
  };

  test('a slow line, which keeps its speed whatever is tried', () => {
    const run = quiet({ rate: (connections) => Math.min(connections * 500, 600), latencyMs: 80 }, 30 * MIB);
    expect(rateOf(run, 1000, run.endedAt - 1)).toBeGreaterThan(0.9 * 600);
  });

  test('a server that gives little to each connection: soon all are used', () => {
    const run = quiet({ rate: (connections) => connections * 50, latencyMs: 50 }, 200 * MIB);
    expect(run.limits[12_000]).toBeGreaterThanOrEqual(12);
    expect(run.limits.at(-1)).toBe(MAX);
  });

  test('a link that becomes slower for all: the number returns', () => {
    const rate = (connections: number, now: number) =>
      Math.min(connections * 20_000, now < 30_000 ? 500_000 : 50_000);
    const run = quiet({ rate, latencyMs: 30 }, 18 * GIB);
    expect(rateOf(run, 32_000, run.endedAt - 1)).toBeGreaterThan(0.85 * 50_000);
  });

  test('a disk that takes what memory has swallowed', () => {
    const rate = (_: number, now: number) => (now < 10_000 ? 900_000 : 150_000);
    quiet({ rate, latencyMs: 5 }, 12 * GIB);
  });

  test('a link that is away for a while', () => {
    for (const awayMs of [3000, 8000, 20_000]) {
      const rate = (connections: number, now: number) =>
        now > 20_000 && now < 20_000 + awayMs ? 0 : connections * 5000;
      const run = quiet({ rate, latencyMs: 50 }, 10 * GIB);
      expect(rateOf(run, 30_000 + awayMs, run.endedAt - 1)).toBeGreaterThan(0.9 * MAX * 5000);
    }
  });

  test('a limit on the rate', () => {
    const run = quiet({ rate: () => 100, latencyMs: 20 }, 6 * MIB, 100);
    expect(run.changes.filter(({ drop }) => drop !== 'none')).toEqual([]);
  });

  test('the end of a run, when few connections are left', () => {
    const budget = new AdaptiveConcurrency(12, 0);
    let came = 0;
    for (let now = 0; now < 60_000; now += 40) {
      const active = now < 20_000 ? 12 : Math.max(1, 12 - Math.floor((now - 20_000) / 1000));
      came += active * 5000 * 40;
      expect(budget.observe(now, came, traffic(active, came, now))?.drop ?? 'none').toBe('none');
    }
  });

  test('a machine that slept', () => {
    const budget = new AdaptiveConcurrency(12, 0);
    let came = 0;
    for (let step = 0; step < 1000; step += 1) {
      const now = step * 40 + (step > 500 ? 3_600_000 : 0);
      came += 12 * 5000 * 40;
      expect(budget.observe(now, came, traffic(12, came, now))?.drop ?? 'none').toBe('none');
    }
  });
});

test('two silences that end with fewer connections are a collapse', () => {
  const rate = (connections: number, now: number) =>
    now > 20_000 && connections > 8 ? 0 : connections * 5000;
  const run = runLink({ rate, latencyMs: 50 }, { total: 4 * GIB, most: MAX });
  expect(notes(run).length).toBe(1);
  expect(run.limits[40_000]).toBe(8);
});
