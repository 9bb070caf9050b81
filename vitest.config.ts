import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** CI wants numbers as well: `.ci/run` prints its closing line from this report. */
const resultsFile = process.env['FETCH_TEST_RESULTS'] ?? 'build/test-results.json';
const forCI = process.env['CI'] ? [['json', { outputFile: resultsFile }] as const] : [];
const forGitHub = process.env['GITHUB_ACTIONS'] ? ['github-actions'] : [];

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as {
  version: string;
};

/** Tests that take minutes together, and those with programs that a machine may lack: `npm run test:long` runs them. */
const LONG = ['test/**/*.long.test.ts'];
/** `npm run matrix` runs all of its cells. */
const MATRIX = 'test/faults/matrix/matrix.test.ts';
const script = process.env['npm_lifecycle_event'];

/** Files that take longest, which would otherwise run alone at the end. The others follow as vitest sorts them. */
const LONGEST = [
  'faults/matrix',
  'contracts/silence',
  'contracts/worker-transport',
  'program/',
  'faults/',
  'contracts/',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((name) => moduleId.includes(`/test/${name}`));
      return index < 0 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right));
  }
}

export default defineConfig({
  // As scripts/bundle.js puts it into what is built.
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  test: {
    include: script === 'test:long' ? LONG : ['test/**/*.test.ts'],
    // `npx vitest run FILE` runs any of them.
    exclude: script === 'test' ? [...LONG, MATRIX] : [],
    // Tests of the program wait most of their time: three files at once keep two cores busy.
    maxWorkers: Math.max(3, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    globalSetup: ['test/support/build-program.ts'],
    // A machine that does other work as well can break a bound on time once; what is wrong breaks it twice.
    retry: process.env['CI'] ? 1 : 0,
    // The end of a test that hangs, and no bound on time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default', ...forGitHub, ...forCI],
  },
});
