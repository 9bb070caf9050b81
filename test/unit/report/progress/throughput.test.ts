import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Throughput } from '../../../../src/report/progress/throughput.ts';

describe('throughput', () => {
  test('knows nothing at first', () => {
    const throughput = new Throughput();
    expect(throughput.rate(0)).toBe(0);
    expect(throughput.timeLeft(100, 0)).toBeUndefined();
    expect(throughput.timeLeft(0, 0)).toBe(0);
  });

  test('of a steady stream is its speed, soon and later', () => {
    const throughput = new Throughput();
    throughput.start(1000);
    for (let at = 1000; at < 31_000; at += 10) {
      throughput.record(1000, at);
      if (at > 2000) expect(throughput.rate(at + 9)).toBeCloseTo(100_000, -4);
    }
    expect(throughput.timeLeft(1_000_000, 31_000)).toBeGreaterThan(9500);
    expect(throughput.timeLeft(1_000_000, 31_000)).toBeLessThan(10_500);
  });

  test('falls to nothing within the window when the stream stalls', () => {
    const throughput = new Throughput(5000);
    for (let at = 0; at < 10_000; at += 50) throughput.record(5000, at);
    const rates = [10_000, 11_000, 13_000, 14_500, 15_250].map((at) => throughput.rate(at));
    for (let i = 1; i < rates.length; i += 1) expect(rates[i]).toBeLessThan(rates[i - 1] ?? 0);
    expect(rates.at(-1)).toBe(0);
    expect(throughput.timeLeft(1, 15_250)).toBeUndefined();
    expect(throughput.rate(1e9)).toBe(0);
  });

  test('of a burst at the very start is not the speed of light', () => {
    const throughput = new Throughput();
    throughput.record(1_000_000, 500);
    expect(throughput.rate(500)).toBe(4_000_000);
  });

  test('survives a clock that steps back', () => {
    const throughput = new Throughput();
    throughput.record(1000, 10_000);
    throughput.record(1000, 2000);
    expect(throughput.rate(10_000)).toBeGreaterThan(0);
    expect(Number.isFinite(throughput.rate(1000))).toBe(true);
  });

  test('never counts more than what arrived in the window, and is never negative', () => {
    const records = fc.array(fc.tuple(fc.nat(4000), fc.nat(1_000_000)), { maxLength: 50 });
    fc.assert(
      fc.property(records, fc.nat(8000), (steps, after) => {
        const throughput = new Throughput(5000);
        throughput.start(0);
        let now = 0;
        const seen: [number, number][] = [];
        for (const [step, bytes] of steps) {
          now += step;
          throughput.record(bytes, now);
          seen.push([now, bytes]);
        }
        now += after;
        const elapsed = Math.min(5000, Math.max(250, now));
        const sum = (windowMs: number): number =>
          seen.reduce((total, [at, bytes]) => (at > now - windowMs ? total + bytes : total), 0);
        const counted = (throughput.rate(now) * elapsed) / 1000;
        expect(counted).toBeLessThanOrEqual(sum(5251) + 1);
        expect(counted).toBeGreaterThanOrEqual(sum(4749) - 1);
      }),
    );
  });
});
