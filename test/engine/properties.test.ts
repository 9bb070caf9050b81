import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutOff, troubledWorld, world } from '../support/engine/arbitraries.ts';
import { World } from '../support/engine/world.ts';

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
      { numRuns: 500 },
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
      { numRuns: 500 },
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
    { numRuns: 200 },
  );
});
