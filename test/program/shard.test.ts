import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { manyFiles } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const REPO = 'tests/many-files';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [manyFiles(60)] });
});

afterAll(() => hub.close());

test('parts that run at the same time in one directory make exactly the revision, each byte fetched once', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  hub.log.clear();
  const run = (part: string, env: Record<string, string> = {}) =>
    workspace.run([REPO, '--local-dir', 'model', '--shard', part, '--quiet'], { env });
  const runs = await Promise.all([
    run('1/4'),
    run('auto/4', { JOB_COMPLETION_INDEX: '1' }),
    run('auto/4', { SLURM_ARRAY_TASK_ID: '12', SLURM_ARRAY_TASK_MIN: '10' }),
    run('auto', { SLURM_ARRAY_TASK_ID: '13', SLURM_ARRAY_TASK_MIN: '10', SLURM_ARRAY_TASK_COUNT: '4' }),
  ]);
  expect(runs.map(({ exit, stderr }) => [exit, stderr])).toEqual(runs.map(() => [0, '']));
  const truth = await hub.truth(REPO);
  expect(await compareWithTruth(workspace.path('model'), truth)).toEqual([]);
  const size = truth.reduce((sum, file) => sum + file.size, 0);
  expect(hub.log.bytesSent({ kind: ['cdn', 'resolve-cache'] })).toBe(size);
  // The records are those of all parts.
  expect((await workspace.run(['verify', 'model', '--quiet'])).exit).toBe(0);
  expect((await workspace.run([REPO, '--local-dir', 'model', '--offline', '--quiet'])).exit).toBe(0);
});

test('what is no part', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  for (const part of ['0/4', '5/4', '1', '1/0', 'x/4', 'auto/4', 'auto', '']) {
    expect((await workspace.run([REPO, '--shard', part])).exit).toBe(2);
  }
  expect((await workspace.run([REPO, '--shard', '1/2', '--prune'])).exit).toBe(2);
  expect((await workspace.run([REPO, '--shard', '1/2', '--lock', 'x.lock'])).exit).toBe(2);
});
