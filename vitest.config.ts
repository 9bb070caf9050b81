import { defineConfig } from 'vitest/config';

/** CI wants numbers as well: `.ci/run` prints its closing line from this report. */
const forCI = process.env['CI'] ? [['json', { outputFile: 'build/test-results.json' }] as const] : [];
const forGitHub = process.env['GITHUB_ACTIONS'] ? ['github-actions'] : [];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build-program.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    reporters: ['default', ...forGitHub, ...forCI],
  },
});
