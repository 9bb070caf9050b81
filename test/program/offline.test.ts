import { appendFile, rm, utimes, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { snapshot } from '../support/store-kit.ts';

const REPO = 'tests/revisions';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [manyRevisions()] });
});

afterAll(() => hub.close());

async function after(...words: string[]): Promise<Workspace> {
  const workspace = await Workspace.open({ endpoint: hub.origin });
  expect((await workspace.run([REPO, '--quiet', ...words])).exit).toBe(0);
  hub.log.clear();
  return workspace;
}

test('a directory that holds what is asked answers without a request, and is left untouched', async () => {
  await using workspace = await after();
  const before = snapshot(workspace.path('revisions'));
  for (const [words, env] of [
    [['--offline'], {}],
    [[], { HF_HUB_OFFLINE: '1' }],
    [[], { TRANSFORMERS_OFFLINE: 'yes' }],
  ] as const) {
    const run = await workspace.run([REPO, ...words], { env });
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('revisions')}\n` });
  }
  expect(snapshot(workspace.path('revisions'))).toEqual(before);
  expect(hub.log.count()).toBe(0);
});

test('what is touched is read again, and kept if it is right', async () => {
  await using workspace = await after();
  const later = new Date(Date.now() + 60_000);
  await utimes(workspace.path('revisions/model.safetensors'), later, later);
  expect((await workspace.run([REPO, '--offline', '--quiet'])).exit).toBe(0);
  await rm(workspace.path('revisions/.cache/huggingface'), { recursive: true });
  expect((await workspace.run([REPO, '--offline', '--quiet'])).exit).toBe(0);
  expect(hub.log.count()).toBe(0);
});

test('what is not here is exit code 4', async () => {
  await using workspace = await after('--include', '*.md');
  const offline = async (...words: string[]) => {
    const { exit, stdout, stderr } = await workspace.run([...words, '--offline', '--quiet']);
    expect([exit, stdout]).toEqual([4, '']);
    return workspace
      .scrub(stderr)
      .split('\n')[0]
      ?.replace(/[0-9a-f]{7}\b/, '<commit>');
  };
  // The directory was fetched in part, and knows that it is not the whole revision.
  expect(await offline(REPO)).toBe('fetch: error: offline, and /work/revisions lacks model.safetensors');
  const other = await offline(REPO, '--revision', 'gptq/8bit', '--local-dir', 'revisions');
  expect(other).toBe(
    'fetch: error: offline, and /work/revisions holds tests/revisions, main at <commit>, not gptq/8bit',
  );
  expect(await offline('tests/other', '--local-dir', 'revisions')).toContain('holds tests/revisions');
  expect(await offline('tests/other')).toContain('offline, and /work/other has no manifest of fetch');
  expect(await offline(REPO, 'nothing.txt')).toContain('nothing.txt');
  const part = await workspace.run([REPO, '--include', '*.md', '--offline', '--quiet']);
  expect(part.exit).toBe(0);
  expect(hub.log.count()).toBe(0);
});

test('a file that is wrong is not fetched', async () => {
  await using workspace = await after();
  await writeFile(workspace.path('revisions/README.md'), '# MAIN\n');
  const later = new Date(Date.now() + 60_000);
  await utimes(workspace.path('revisions/README.md'), later, later);
  const run = await workspace.run([REPO, '--offline', '--quiet']);
  expect(run.exit).toBe(6);
  expect(run.stderr).toContain('this run is offline');
  expect((await workspace.run(['lock', REPO, '--offline'])).exit).toBe(6);
  expect(hub.log.count()).toBe(0);
});

test('a lock and no network', async () => {
  await using workspace = await after('--lock', 'models.lock');
  const words = [REPO, '--lock', 'models.lock', '--frozen', '--offline', '--quiet'];
  expect((await workspace.run(words)).exit).toBe(0);
  await appendFile(workspace.path('revisions/README.md'), 'more');
  const run = await workspace.run(words);
  expect(run.exit).toBe(4);
  expect(run.stderr).toContain('lacks README.md');
  expect(hub.log.count()).toBe(0);
});
