import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeCase, makeCase, runCase } from './case.ts';

/** More of them: `npm run test:soak -- --minutes N`. */
const CASES = 10;

test('whatever goes wrong and whenever it is killed: no wrong file ever has its name, and re-runs bring all of it', async () => {
  let kills = 0;
  let looks = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
      const one = makeCase(seed);
      const outcome = await runCase(one);
      kills += outcome.kills;
      looks += outcome.looks;
      expect(outcome.problems, describeCase(one)).toEqual([]);
    }),
    // A case says by its seed how it is run again; a smaller number is no smaller case.
    { numRuns: CASES, seed: 20_261, endOnFailure: true },
  );
  console.log(`${CASES} cases, ${kills} kills, ${looks} looks at the directory`);
});
