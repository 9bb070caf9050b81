import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateLimiter, RateReservation } from '../../../../src/transfer/transport/rate-limiter.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const TEN_SECONDS = 10_000;

interface Traffic {
  readonly bytesPerSecond: number;
  /** Bytes that each connection asks for, answer after answer. */
  readonly connections: readonly number[];
  /** Bytes that are read at once, at the most; undefined for what the limiter proposes. */
  readonly readBytes?: number;
  readonly latencyMs: number;
}

/** Bytes of each connection within ten seconds, and how many answers it has finished. */
async function run({ bytesPerSecond, connections, readBytes, latencyMs }: Traffic) {
  const clock = new ManualClock();
  const limiter = new RateLimiter(bytesPerSecond, clock);
  const bytes = connections.map(() => 0);
  const answers = connections.map(() => 0);
  const controller = new AbortController();
  const connection = async (index: number, size: number) => {
    for (;;) {
      const reservation = new RateReservation(limiter, size);
      await clock.sleep(reservation.begin() + latencyMs, controller.signal);
      for (let left = size; left > 0; ) {
        const count = Math.min(left, readBytes ?? limiter.stepBytes);
        left -= count;
        bytes[index]! += count;
        const delay = reservation.received(count);
        if (left > 0) await clock.sleep(delay, controller.signal);
      }
      reservation.end();
      answers[index]! += 1;
    }
  };
  const running = connections.map((size, index) => connection(index, size).catch(() => {}));
  await clock.advance(TEN_SECONDS);
  controller.abort(new Error('over'));
  await Promise.all(running);
  return { bytes, answers, total: bytes.reduce((sum, count) => sum + count, 0) };
}

describe('a limited rate', () => {
  test('is exact to 3 % over ten seconds, whatever the connections do', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          bytesPerSecond: fc.integer({ min: 50_000, max: 50_000_000 }),
          large: fc.integer({ min: 1, max: 14 }),
          small: fc.array(fc.integer({ min: 500, max: 200_000 }), { maxLength: 6 }),
          latencyMs: fc.integer({ min: 0, max: 50 }),
        }),
        async ({ bytesPerSecond, large, small, latencyMs }) => {
          const connections = [...Array<number>(large).fill(2 ** 40), ...small];
          const { total } = await run({ bytesPerSecond, connections, latencyMs });
          expect(Math.abs(total / (bytesPerSecond * 10) - 1)).toBeLessThan(0.03);
        },
      ),
      { numRuns: 12 },
    );
  });

  test('is never exceeded by reads that are larger than it likes', async () => {
    const { total } = await run({
      bytesPerSecond: 1_000_000,
      connections: [2 ** 40, 2 ** 40],
      readBytes: 64 * 1024,
      latencyMs: 5,
    });
    expect(Math.abs(total / 10_000_000 - 1)).toBeLessThan(0.03);
  });

  test('leaves small files their share: they come at least as fast as their turn allows', async () => {
    const { answers, bytes } = await run({
      bytesPerSecond: 1_000_000,
      connections: [2 ** 40, 2 ** 40, 2 ** 40, 10_000],
      latencyMs: 20,
    });
    // Its turn comes once in a round of steps of 50 ms for each of the others.
    expect(answers[3]).toBeGreaterThan(45);
    expect(bytes[0]! / bytes[1]!).toBeCloseTo(1, 1);
  });

  test('of small files alone is reached and kept', async () => {
    const { total } = await run({
      bytesPerSecond: 2_000_000,
      connections: Array(32).fill(10_000),
      latencyMs: 50,
    });
    expect(Math.abs(total / 20_000_000 - 1)).toBeLessThan(0.03);
  });

  test('without a limiter never waits', () => {
    const reservation = new RateReservation(undefined, 100);
    expect(reservation.begin()).toBe(0);
    expect(reservation.received(1_000_000)).toBe(0);
    reservation.end();
  });

  test('gives back what never came', () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter(1_000_000, clock);
    const broken = new RateReservation(limiter, 2 ** 30);
    expect(broken.begin()).toBe(50);
    broken.end();
    expect(new RateReservation(limiter, 10_000).begin()).toBe(10);
  });
});
