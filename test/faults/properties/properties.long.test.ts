import fc from 'fast-check';
import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { describeCase, makeCase, runCase } from './case.ts';

/** More of them: `npm run test:soak -- --minutes N`. */
const CASES = 10;
/** Cases at the same time: most of their time they wait. */
const AT_ONCE = 3;

test('whatever goes wrong and whenever it is killed: no wrong file ever has its name, and re-runs bring all of it', async () => {
  // A case says by its seed how it is run again; a smaller number is no smaller case.
  const seeds = fc.sample(fc.integer({ min: 1, max: 1_000_000 }), { numRuns: CASES, seed: 20_261 });
  const limit = pLimit(AT_ONCE);
  const run = async (seed: number) => {
    const one = makeCase(seed);
    return { said: describeCase(one), ...(await runCase(one)) };
  };
  const outcomes = await Promise.all(seeds.map((seed) => limit(run, seed)));
  const sum = (count: 'kills' | 'looks') => outcomes.reduce((total, outcome) => total + outcome[count], 0);
  console.log(`${CASES} cases, ${sum('kills')} kills, ${sum('looks')} looks at the directory`);
  expect(outcomes.filter(({ problems }) => problems.length > 0)).toEqual([]);
});
