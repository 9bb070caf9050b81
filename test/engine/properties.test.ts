import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutOff, troubledWorld, world } from '../support/engine/arbitraries.ts';
import { World, type WorldOptions } from '../support/engine/world.ts';

/**
 * Found by this property: a write of a stopped connection completed a file whose rest was still queued, and one that ended
 * after the last other connection had left.
 */
const LATE_WRITES: readonly WorldOptions[] = [
  {
    seed: 372_252_242,
    files: { 'config.json': 16_812_936, 'second.bin': 29_514_137, 'model.bin': 1_480_790 },
    connections: 5,
    largeConnections: 4,
    hosts: { cdn: {} },
    faults: [
      { kind: 'late write', at: 3_859_394, bytes: 'right', request: 2, times: 3, path: 'second.bin' },
      { kind: 'late write', at: 0, bytes: 'wrong', request: 5, times: 3, path: 'config.json' },
    ],
  },
  {
    seed: 1_555_878_781,
    files: { 'second.bin': 118_656, empty: 175_547 },
    connections: 6,
    largeConnections: 6,
    hosts: { cdn: {} },
    faults: [
      { kind: 'status', status: 416, retryAfterMs: 5000, request: 2, times: 3 },
      { kind: 'status', status: 404, retryAfterMs: 5000, request: 8, times: 2, path: 'second.bin' },
      { kind: 'late write', at: 0, bytes: 'right', request: 1, times: 1 },
    ],
  },
];

/**
 * What must hold of every run is checked by EngineRun.check, after each: no wrong file under a final name, no more
 * connections than allowed, an end in time with a name, nothing left open, events that add up.
 */
describe('whatever goes wrong', () => {
  test('files are right after re-runs, and every run before them says why they are not', async () => {
    await fc.assert(
      fc.asyncProperty(troubledWorld, async (options) => {
        const runs = await new World(options).runUntilComplete();
        for (const run of runs.slice(0, -1)) expect(run.failures.length).toBeGreaterThan(0);
      }),
      { numRuns: 500, endOnFailure: true, examples: LATE_WRITES.map((options) => [options]) },
    );
  });

  test('and wherever runs are killed, power is cut, or people interrupt', async () => {
    await fc.assert(
      fc.asyncProperty(
        troubledWorld,
        fc.array(cutOff, { minLength: 1, maxLength: 3 }),
        async (options, ends) => {
          const troubled = new World(options);
          for (const end of ends) await troubled.run(end);
          await troubled.runUntilComplete();
        },
      ),
      { numRuns: 500, endOnFailure: true },
    );
  });
});

test('without faults every byte comes once, and nothing fails', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (options) => {
      const run = await new World(options).run();
      expect(run.done).toBe(true);
      const written = run.transport.writes.reduce((sum, { start, end }) => sum + end - start, 0);
      const size = Object.values(options.files).reduce((sum, bytes) => sum + bytes, 0);
      expect(written).toBe(size);
      expect(run.fetchedBytes).toBe(size);
      // And is read once: what was hashed on the way was right.
      expect(run.hashedBytes).toBe(size);
    }),
    { numRuns: 200, endOnFailure: true },
  );
});
