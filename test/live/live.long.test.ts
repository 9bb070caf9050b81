import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { gpt2, guarded, manyRevisions, squad } from '../support/hub/fixtures/various.ts';
import { startHub } from '../support/hub/hub.ts';

const SCRIPT = join(import.meta.dirname, 'live.mjs');

/** The script itself, as `npm run test:live` runs it, against another hub. */
function live(env: Record<string, string>): Promise<{ exit: number; stdout: string }> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, maxBuffer: 2 ** 24 };
    execFile(process.execPath, [SCRIPT], options, (error, stdout, stderr) => {
      resolve({ exit: typeof error?.code === 'number' ? error.code : 0, stdout: stdout + stderr });
    });
  });
}

const REPOSITORIES = {
  branches: MISTRAL_GPTQ,
  known: 'openai-community/gpt2',
  tiny: MISTRAL_GPTQ,
  // The first has neither tag nor second branch, and there is no second one.
  revisions: ['openai-community/gpt2', 'tests/nothing', 'tests/revisions'],
  dataset: 'tests/squad',
  gated: 'tests/gated',
};
const repositories = () => [mistralGptq({ scale: 0.002 }), gpt2(), manyRevisions(), squad(), ...guarded()];

test('the checks pass against a hub where all is well', { timeout: 120_000 }, async () => {
  await using hub = await startHub({ repositories: repositories() });
  const env = {
    FETCH_LIVE_ENDPOINT: hub.origin,
    FETCH_LIVE_REPOSITORIES: JSON.stringify(REPOSITORIES),
  };
  const { exit, stdout } = await live(env);
  expect(stdout).toContain(`14 of 14 passed against ${hub.origin}`);
  expect(stdout).not.toContain('FAILED');
  expect(exit).toBe(0);
});

test('a hub that changes bytes, and has not what it should: those checks fail, and it says which', {
  timeout: 120_000,
}, async () => {
  await using hub = await startHub({ repositories: repositories() });
  hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'flip', offset: 5000 } });
  const env = {
    FETCH_LIVE_ENDPOINT: hub.origin,
    // One without tags, and one that is not gated.
    FETCH_LIVE_REPOSITORIES: JSON.stringify({
      ...REPOSITORIES,
      tiny: 'openai-community/gpt2',
      revisions: ['openai-community/gpt2'],
      gated: 'openai-community/gpt2',
    }),
  };
  const { exit, stdout } = await live(env);
  expect(exit).toBe(1);
  const failed = stdout.split('\n').filter((line) => line.startsWith('FAILED'));
  expect(failed).toEqual([
    'FAILED  a file of the big storage (LFS, Xet) has the hash that the hub lists',
    'FAILED  a whole repository: every file; a second run fetches nothing; verify agrees',
    'FAILED  a killed run goes on where it was',
    'FAILED  a tag',
    'FAILED  a branch that is not main',
    'FAILED  a gated repository without a token: exit 5',
    'FAILED  doctor: nothing fails, and what it measures is there',
  ]);
});

test('without a network all are skipped, with the reason, and that is no failure', async () => {
  const { exit, stdout } = await live({ FETCH_LIVE_ENDPOINT: 'http://127.0.0.1:1' });
  expect(stdout).toBe('14 skipped: no network (127.0.0.1: ECONNREFUSED)\n');
  expect(exit).toBe(0);
});
