import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import type { TruthFile } from '../support/hub/truth.ts';
import { type Run, Workspace } from '../support/run-program.ts';
import { snapshot } from '../support/store-kit.ts';

const ID = 'tests/cached';
const DIRECTORY = 'models--tests--cached';

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  const files = (seed: string) => [
    gitFile('config.json', `{"seed": "${seed}"}\n`),
    lfsFile('tokenizer.model', generated('shared', 20_000)),
    xetFile('sub/model.safetensors', generated(seed, 100_000)),
  ];
  hub = await startHub({
    repositories: [
      { id: ID, branches: { main: files('main'), 'gptq/8bit': files('other') } },
      { id: 'tests/other', branches: { main: [gitFile('README.md', '# Other\n')] } },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const run = (...words: string[]): Promise<Run> => workspace.run([...words, '--cache-dir', 'cache']);
const inCache = (...names: string[]): string => workspace.path('cache', ...names);
const commit = (revision: string): string => hub.repository(ID).commitOf(revision).id;
const placeOf = (revision: string): string => inCache(DIRECTORY, 'snapshots', commit(revision));
const truthOf = (revision: string): Promise<TruthFile[]> => hub.truth(ID, revision);
const ref = (name = 'main'): string => readFileSync(inCache(DIRECTORY, 'refs', name), 'utf8');

async function bring(...words: string[]): Promise<void> {
  expect((await run(ID, '--quiet', ...words)).exit).toBe(0);
  hub.log.clear();
}

/** A push: the old content of `main` is now only reachable by its commit. */
function moveOn(): void {
  hub.repository(ID).setBranch('main', [gitFile('config.json', '{"moved": true}\n')]);
}

describe('--offline', () => {
  test('answers from the snapshot, without a request and without a trace', async () => {
    await bring();
    await bring('--revision', 'gptq/8bit');
    const before = snapshot(inCache());
    const short = commit('gptq/8bit').slice(0, 8);
    for (const [words, revision] of [
      [[ID], 'main'],
      [[`${ID}:gptq/8bit`], 'gptq/8bit'],
      [[ID, '--revision', commit('main')], 'main'],
      [[ID, '--revision', short], 'gptq/8bit'],
    ] as const) {
      const { exit, stdout, stderr } = await run(...words, '--offline', '--quiet');
      expect([exit, stdout, stderr]).toEqual([0, `${placeOf(revision)}\n`, '']);
    }
    const one = await run(ID, 'config.json', '--offline');
    expect(one).toMatchObject({ exit: 0, stdout: `${placeOf('main')}/config.json\n` });
    const env = { HF_HUB_OFFLINE: '1', HF_HUB_CACHE: inCache() };
    expect((await workspace.run([ID, '--cache', '-q'], { env })).stdout).toBe(`${placeOf('main')}\n`);
    expect(snapshot(inCache())).toEqual(before);
    expect(hub.log.count()).toBe(0);
  });

  test('stays with the commit that it knows', async () => {
    await bring();
    const before = placeOf('main');
    moveOn();
    expect((await run(ID, '--offline', '-q')).stdout).toBe(`${before}\n`);
  });

  test('what is missing is exit code 4, and says so', async () => {
    await bring('--include', '*.json');
    const isFresh = await run(ID, '--offline');
    expect([isFresh.exit, isFresh.stdout]).toEqual([4, '']);
    expect(isFresh.stderr).toContain('lacks sub/model.safetensors, tokenizer.model');
    expect((await run(ID, '--offline', '--include', '*.json', '-q')).exit).toBe(0);
    expect((await run(ID, 'no-such.json', '--offline')).exit).toBe(4);
    const other = await run(`${ID}:gptq/8bit`, '--offline');
    expect([other.exit, other.stderr]).toEqual([
      4,
      expect.stringContaining(`${inCache()} has no snapshot of ${ID} at gptq/8bit`),
    ]);
    expect((await run('tests/other', '--offline')).exit).toBe(4);
    expect(hub.log.count()).toBe(0);
  });

  test('a snapshot without a record of its listing is no answer', async () => {
    await bring();
    rmSync(inCache(DIRECTORY, 'trees'), { recursive: true });
    // Our own record of what came is enough.
    expect((await run(ID, '--offline', '-q')).exit).toBe(0);
    rmSync(inCache('.locks'), { recursive: true });
    const { exit, stderr } = await run(ID, '--offline');
    expect(exit).toBe(4);
    expect(stderr).toContain(`says which files ${commit('main').slice(0, 7)} has`);
  });

  test('what only others recorded is read, and then it is on record', async () => {
    await bring();
    rmSync(inCache('.locks'), { recursive: true });
    expect((await run(ID, '--offline', '-q')).stdout).toBe(`${placeOf('main')}\n`);
    expect(await compareWithTruth(placeOf('main'), await truthOf('main'))).toEqual([]);
    const before = snapshot(inCache());
    expect((await run(ID, '--offline', '-q')).exit).toBe(0);
    expect(snapshot(inCache())).toEqual(before);
    expect(hub.log.count()).toBe(0);
  });
});

describe('--lock', () => {
  test('writes what came, the same as for a directory', async () => {
    expect((await run(ID, '--lock', 'cache.lock', '-q')).exit).toBe(0);
    expect((await workspace.run([ID, '--lock', 'directory.lock', '--no-reuse', '-q'])).exit).toBe(0);
    const text = readFileSync(workspace.path('cache.lock'), 'utf8');
    expect(text).toBe(readFileSync(workspace.path('directory.lock'), 'utf8'));
    expect(text).toContain('"sha256"');
  });

  test('--frozen brings the locked commit, and then makes no request and writes nothing', async () => {
    const [truth, place, locked] = [await truthOf('main'), placeOf('main'), commit('main')];
    expect((await workspace.run(['lock', ID, '-q'])).exit).toBe(0);
    moveOn();
    hub.log.clear();
    const words = [ID, '--lock', 'models.lock', '--frozen', '-q'];
    expect(await run(...words)).toMatchObject({ exit: 0, stdout: `${place}\n` });
    expect(await compareWithTruth(place, truth)).toEqual([]);
    expect(hub.log.count({ kind: 'revision' })).toBe(0);
    // An offline look-up of the branch finds what was reviewed.
    expect(ref()).toBe(locked);

    const before = snapshot(inCache());
    hub.log.clear();
    expect(await run(...words)).toMatchObject({ exit: 0, stdout: `${place}\n`, stderr: '' });
    expect((await run('--lock', 'models.lock', '-q')).stdout).toBe(`${place}\n`);
    expect((await run(...words, '--offline')).stdout).toBe(`${place}\n`);
    expect(snapshot(inCache())).toEqual(before);
    expect(hub.log.count()).toBe(0);
  });

  test('a ref that leads elsewhere is put right, without a request', async () => {
    await workspace.run(['lock', ID, '-q']);
    const locked = commit('main');
    await bring();
    moveOn();
    await bring();
    expect(ref()).toBe(commit('main'));
    expect((await run(ID, '--lock', 'models.lock', '--frozen', '-q')).exit).toBe(0);
    expect(ref()).toBe(locked);
    expect(hub.log.count()).toBe(0);
  });

  test('part of a revision does not become a listing of all of it', async () => {
    // The contents are there, by another branch: nothing needs to be asked.
    hub
      .repository(ID)
      .setBranch('copy', [gitFile('config.json', '{"seed": "main"}\n'), gitFile('more.json', '{}\n')]);
    await bring();
    await workspace.run(['lock', `${ID}:copy`, '--include', 'config.json', '-q']);
    hub.log.clear();
    expect((await run('--lock', 'models.lock', '-q')).exit).toBe(0);
    expect(hub.log.count()).toBe(0);
    expect(existsSync(inCache(DIRECTORY, 'trees', `${commit('copy')}.json`))).toBe(false);
    expect((await run(`${ID}:copy`, '-q')).exit).toBe(0);
    expect(await compareWithTruth(placeOf('copy'), await truthOf('copy'))).toEqual([]);
  });

  test('a difference is exit code 7', async () => {
    await workspace.run(['lock', ID, '-q']);
    const lock = JSON.parse(readFileSync(workspace.path('models.lock'), 'utf8')) as {
      files: { sha256?: string; oid: string }[];
    };
    renameSync(workspace.path('models.lock'), workspace.path('true.lock'));
    lock.files[0]!.oid = 'a'.repeat(40);
    writeFileSync(workspace.path('models.lock'), JSON.stringify(lock));
    hub.log.clear();
    const lockfileMismatch = await run(ID, '--lock', 'models.lock', '--frozen', '-q');
    expect(lockfileMismatch.exit).toBe(7);
    expect(lockfileMismatch.stderr).toContain('config.json');
    expect(hub.log.bytesSent('cdn')).toBe(0);
    // A sha256 that the content does not have, under the right name of git.
    const wrong = JSON.parse(readFileSync(workspace.path('true.lock'), 'utf8')) as typeof lock;
    wrong.files[0]!.sha256 = 'b'.repeat(64);
    writeFileSync(workspace.path('models.lock'), JSON.stringify(wrong));
    expect((await run(ID, '--lock', 'models.lock', '--frozen', '-q')).exit).toBe(7);
    expect((await run(ID, '--lock', 'true.lock', '--frozen', '-q')).exit).toBe(0);
    expect((await run(ID, '--lock', 'models.lock', '--frozen', '-q')).exit).toBe(7);
  });

  test('several repositories of one lock', async () => {
    await workspace.run(['lock', ID, 'tests/other', '-q']);
    const { exit, stdout } = await run('--lock', 'models.lock', '-q');
    expect(exit).toBe(0);
    const other = inCache(
      'models--tests--other/snapshots',
      hub.repository('tests/other').commitOf('main').id,
    );
    expect(stdout).toBe(`${placeOf('main')}\n${other}\n`);
  });

  test('nothing is on the disk, and there is no network', async () => {
    await workspace.run(['lock', ID, '-q']);
    const { exit, stderr } = await run(ID, '--lock', 'models.lock', '--frozen', '--offline');
    expect(exit).toBe(4);
    expect(stderr).toContain('lacks config.json');
  });
});

test.each([
  ['--prune', 'fetch cache rm'],
  ['--shard=1/2', '--local-dir'],
])('%s and a cache do not go together', async (option, hint) => {
  const { exit, stderr } = await run(ID, option);
  expect(exit).toBe(2);
  expect(stderr).toContain(hint);
  expect(workspace.has('cache')).toBe(false);
});
