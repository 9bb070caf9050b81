/**
 * Random faults, random kills, re-runs, over and over: `npm run test:soak -- --minutes 15`. Prints the seed of every
 * case; `--seed S` runs one case again.
 */
import { parseArgs } from 'node:util';
import { describeCase, makeCase, runCase } from './case.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '15' }, seed: { type: 'string' } },
});

const until = performance.now() + Number(values.minutes) * 60_000;
let seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
let cases = 0;
let looks = 0;
let kills = 0;
do {
  const one = makeCase(seed);
  console.log(describeCase(one));
  const outcome = await runCase(one);
  cases += 1;
  looks += outcome.looks;
  kills += outcome.kills;
  if (outcome.problems.length > 0) {
    console.error(`wrong, with --seed ${seed}:\n${outcome.problems.join('\n')}`);
    process.exit(1);
  }
  seed += 1;
} while (values.seed === undefined && performance.now() < until);
console.log(
  `${cases} cases, ${kills} kills, ${looks} looks at the directory: never a wrong file, and right in the end`,
);
