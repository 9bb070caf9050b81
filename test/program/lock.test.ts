import { readFile, rm, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { gpt2, manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import type { TruthFile } from '../support/hub/truth.ts';
import { Workspace } from '../support/run-program.ts';
import { snapshot } from '../support/store-kit.ts';

const REPO = 'tests/revisions';

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({ repositories: [manyRevisions(), gpt2()] });
  workspace = await Workspace.open({ endpoint: hub.origin });
  onTestFinished(async () => {
    await workspace[Symbol.asyncDispose]();
    await hub.close();
  });
});

const commitOf = (revision: string) => hub.repository(REPO).commitOf(revision).id;
const truthOf = (revision: string): Promise<TruthFile[]> => hub.truth(REPO, revision);

function moveOn(): void {
  const files = [gitFile('README.md', '# moved\n'), xetFile('model.safetensors', generated('new', 100_000))];
  hub.repository(REPO).setBranch('main', files);
}

test('--lock writes what the manifest says', async () => {
  const run = await workspace.run([REPO, '--lock', 'model.lock', '--quiet']);
  expect(run.exit).toBe(0);
  const lock = await readFile(workspace.path('model.lock'), 'utf8');
  expect(lock).toBe(await readFile(workspace.path('revisions/.cache/fetch/manifest.json'), 'utf8'));
});

test('fetch lock asks for no byte of a file, and leaves out what only a download can know', async () => {
  const run = await workspace.run(['lock', REPO]);
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('models.lock')}\n` });
  expect(run.stderr).toContain('fetch: locked tests/revisions: 2 files, 100 kB\n');
  expect(hub.log.count({ kind: ['cdn', 'resolve'] })).toBe(0);
  const [readme, weights] = await truthOf('main');
  expect(JSON.parse(await readFile(workspace.path('models.lock'), 'utf8'))).toEqual({
    version: 1,
    endpoint: hub.origin,
    repo: { type: 'model', id: REPO },
    revision: 'main',
    commit: commitOf('main'),
    files: [
      { path: 'README.md', size: readme!.size, oid: readme!.gitSha1 },
      {
        path: 'model.safetensors',
        size: weights!.size,
        sha256: weights!.sha256,
        oid: weights!.sha256,
        xet: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ],
  });
});

describe('--frozen', () => {
  test('gets the locked commit although the branch moved on; then it makes no request and writes nothing', async () => {
    const truth = await truthOf(commitOf('main'));
    await workspace.run(['lock', REPO]);
    moveOn();
    hub.log.clear();
    const words = [REPO, '--lock', 'models.lock', '--frozen'];
    const first = await workspace.run(words);
    expect(first).toMatchObject({ exit: 0, stdout: `${workspace.path('revisions')}\n` });
    expect(await compareWithTruth(workspace.path('revisions'), truth)).toEqual([]);
    // Which commit the branch is on was never asked.
    expect(hub.log.count({ kind: 'tree' })).toBe(1);
    expect(hub.log.count({ kind: 'revision' })).toBe(0);

    hub.log.clear();
    const before = snapshot(workspace.path('revisions'));
    const second = await workspace.run(words, { env: { HF_ENDPOINT: 'http://127.0.0.1:1' } });
    expect(second).toMatchObject({ exit: 0, stdout: `${workspace.path('revisions')}\n` });
    expect(hub.log.count()).toBe(0);
    expect(snapshot(workspace.path('revisions'))).toEqual(before);
  });

  test('a directory that another program filled is read, not fetched', async () => {
    await workspace.run([REPO, '--lock', 'models.lock', '--quiet']);
    await rm(workspace.path('revisions/.cache'), { recursive: true });
    hub.log.clear();
    const run = await workspace.run([REPO, '--lock', 'models.lock', '--frozen', '--quiet']);
    expect(run.exit).toBe(0);
    expect(hub.log.count()).toBe(0);
  });

  test('drift is exit code 7, and says what', async () => {
    await workspace.run(['lock', REPO]);
    const lock = await readFile(workspace.path('models.lock'), 'utf8');
    const words = [REPO, '--lock', 'models.lock', '--frozen', '--progress', 'none'];
    const drift = async (text: string, more: string[] = []) => {
      await writeFile(workspace.path('models.lock'), text);
      const { exit, stderr } = await workspace.run([...words, ...more]);
      expect(exit).toBe(7);
      return stderr
        .split('\n')[0]
        ?.replace(/at [0-9a-f]{7}/, 'at <commit>')
        .replace(/(?<= )[0-9a-f]{12}…/g, '<hash>…');
    };
    const about = 'fetch: error: the lock of tests/revisions, main at <commit> does not hold:';
    expect(await drift(lock.replaceAll('"README.md"', '"GONE.md"'))).toBe(
      `${about} GONE.md is gone upstream`,
    );
    expect(await drift(lock.replace('"size": 7', '"size": 8'))).toBe(
      `${about} README.md has 7 bytes upstream instead of 8`,
    );
    const sha256 = (await truthOf('main'))[1]!.sha256;
    expect(await drift(lock.replaceAll(sha256, 'e'.repeat(64)))).toBe(
      `${about} model.safetensors has the hash <hash>… upstream instead of <hash>…`,
    );
    expect(await drift(lock, ['--include', '*.md'])).toBe(
      `${about} model.safetensors is locked, but not asked for`,
    );
    expect(await drift(lock.replaceAll(commitOf('main'), '0'.repeat(40)))).toContain(
      'its revision is gone upstream',
    );
    expect(await drift(lock, ['--revision', 'gptq/8bit'])).toBe(
      `fetch: error: ${workspace.path('models.lock')} does not lock tests/revisions at gptq/8bit`,
    );
    expect(hub.log.count({ kind: 'cdn' })).toBe(0);
    expect(workspace.has('revisions')).toBe(false);
  });
});

test('one lockfile of several repositories; without a repository it fetches them all', async () => {
  const words = ['lock', REPO, `${REPO}:gptq/8bit`, 'openai-community/gpt2', '--lock', 'all.lock'];
  expect((await workspace.run(words)).exit).toBe(0);
  const document = JSON.parse(await readFile(workspace.path('all.lock'), 'utf8'));
  expect(document).toMatchObject({ version: 1, repos: [{ version: 1 }, { revision: 'gptq/8bit' }, {}] });

  // The lock knows its hub; a token that was not meant for that place stays here.
  await using elsewhere = await Workspace.open();
  hub.log.clear();
  const run = await elsewhere.run(['--lock', workspace.path('all.lock'), '--quiet'], {
    env: { HF_TOKEN: 'hf_secret' },
  });
  expect(run).toMatchObject({
    exit: 0,
    stdout: ['revisions', 'revisions_gptq_8bit', 'gpt2'].map((name) => `${elsewhere.path(name)}\n`).join(''),
  });
  expect(hub.log.where().filter(({ authorization }) => authorization !== 'none')).toEqual([]);
  expect(await compareWithTruth(elsewhere.path('revisions_gptq_8bit'), await truthOf('gptq/8bit'))).toEqual(
    [],
  );

  hub.log.clear();
  const again = await elsewhere.run(['--lock', workspace.path('all.lock'), '--quiet']);
  expect(again).toEqual({ ...run, tookMs: again.tookMs });
  expect(hub.log.count()).toBe(0);

  const both = await elsewhere.run(['--lock', workspace.path('all.lock'), '--local-dir', 'one']);
  expect(both.exit).toBe(2);
});

test('words that make no sense', async () => {
  expect((await workspace.run([])).exit).toBe(2);
  expect((await workspace.run([REPO, '--frozen'])).exit).toBe(2);
  expect((await workspace.run(['--lock', 'none.lock'])).exit).toBe(4);
  await writeFile(workspace.path('package.json'), '{"name":"mine"}');
  const run = await workspace.run(['lock', REPO, '--lock', 'package.json']);
  expect(run.exit).toBe(7);
  expect(await readFile(workspace.path('package.json'), 'utf8')).toBe('{"name":"mine"}');
});

test('fetch lock --weights locks one of several formats, and a frozen download brings just that', async () => {
  const files = (name: string) => xetFile(name, generated(name, 50_000));
  hub
    .repository(REPO)
    .setBranch('several', [
      gitFile('config.json', '{}\n'),
      files('model.safetensors'),
      files('pytorch_model.bin'),
    ]);
  const locked = await workspace.run(['lock', `${REPO}:several`, '--weights', 'safetensors', '--quiet']);
  expect(locked).toMatchObject({ exit: 0, stderr: '' });
  const lock = JSON.parse(await readFile(workspace.path('models.lock'), 'utf8')) as {
    files: { path: string }[];
  };
  expect(lock.files.map(({ path }) => path)).toEqual(['config.json', 'model.safetensors']);
  const words = [`${REPO}:several`, '--lock', 'models.lock', '--frozen', '--local-dir', 'model', '--quiet'];
  expect((await workspace.run(words)).exit).toBe(0);
  expect(
    Object.keys(snapshot(workspace.path('model'))).filter((name) => !name.startsWith('.cache')),
  ).toHaveLength(2);
  expect((await workspace.run([...words, '--weights', 'safetensors'])).exit).toBe(0);
  expect((await workspace.run(['lock', `${REPO}:several`, '--weights', 'gguf'])).exit).toBe(4);
  expect((await workspace.run(['lock', REPO, '--weights', 'best'])).exit).toBe(2);
});
