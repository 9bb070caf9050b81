import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** CI wants numbers as well: `.ci/run` prints its closing line from this report. */
const forCI = process.env['CI'] ? [['json', { outputFile: 'build/test-results.json' }] as const] : [];
const forGitHub = process.env['GITHUB_ACTIONS'] ? ['github-actions'] : [];

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as {
  version: string;
};

export default defineConfig({
  // As scripts/bundle.js puts it into what is built.
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  test: {
    include: ['test/**/*.test.ts'],
    // Tests of the program wait most of their time, also on a machine of two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['test/support/build-program.ts'],
    // A machine that does other work as well can break a bound on time once; what is wrong breaks it twice.
    retry: process.env['CI'] ? 1 : 0,
    // The end of a test that hangs, and no bound on time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default', ...forGitHub, ...forCI],
  },
});
