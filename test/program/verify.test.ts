import { appendFile, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [manyRevisions()] });
});

afterAll(() => hub.close());

const REPO = 'tests/revisions';

async function fetched(): Promise<Workspace> {
  const workspace = await Workspace.open({ endpoint: hub.origin });
  const { exit } = await workspace.run([REPO, '--local-dir', 'model', '--quiet']);
  expect(exit).toBe(0);
  hub.log.clear();
  return workspace;
}

/** Turns one bit, and leaves the time as it was: what a failing disk does. */
async function rot(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  const bytes = await readFile(path);
  bytes[1000]! ^= 1;
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
}

test('a directory as it was fetched has no difference, and no request is made', async () => {
  await using workspace = await fetched();
  const run = await workspace.run(['verify', 'model'], { env: { HF_ENDPOINT: 'http://127.0.0.1:1' } });
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('model')}\n` });
  expect(workspace.scrub(run.stderr)).toMatch(
    /^fetch: tests\/revisions, main at [0-9a-f]{7}: 2 files, 100 kB, no difference \(every byte read, \d+s\)\n$/,
  );
  expect(hub.log.count()).toBe(0);
});

test('missing, changed and extra files are named, with exit code 7', async () => {
  await using workspace = await fetched();
  await rot(workspace.path('model/model.safetensors'));
  await rm(workspace.path('model/README.md'));
  await writeFile(workspace.path('model/notes.txt'), 'mine\n');
  const run = await workspace.run(['verify', 'model']);
  expect(run.exit).toBe(7);
  expect(run.stdout).toMatch(
    /^missing {2}README\.md {2}\(7 B\)\nchanged {2}model\.safetensors {2}\(sha256 [0-9a-f]{12}… instead of [0-9a-f]{12}…\)\nextra {4}notes\.txt {2}\(5 B\)\n$/,
  );
  expect(workspace.scrub(run.stderr).split('\n').slice(1).join('\n')).toMatchInlineSnapshot(`
    "fetch: error: /work/model differs: 1 missing, 1 changed, 1 extra
    hint: Fetch what is wrong again with --repair.
    "
  `);

  const json = await workspace.run(['verify', 'model', '--json', '--quiet']);
  expect(json.exit).toBe(7);
  expect(JSON.parse(json.stdout)).toMatchObject({
    v: 1,
    ok: false,
    directory: workspace.path('model'),
    repo: { type: 'model', id: REPO },
    files: 2,
    missing: [{ path: 'README.md', size: 7 }],
    changed: [{ path: 'model.safetensors', why: 'content', expected: { size: 100_000 } }],
    extra: [{ path: 'notes.txt', size: 5 }],
  });
  expect(hub.log.count()).toBe(0);
});

test('--quick reads what was touched since we hashed it, and nothing else', async () => {
  await using workspace = await fetched();
  const model = workspace.path('model/model.safetensors');
  // Only its times differ: read once more, it is right.
  const later = new Date(Date.now() + 60_000);
  await utimes(workspace.path('model/README.md'), later, later);
  expect((await workspace.run(['verify', 'model', '--quick'])).exit).toBe(0);
  // Another content of the same size and an older time, as mv, cp -p, tar and rsync bring it.
  const { atime } = await stat(model);
  await writeFile(`${model}.new`, (await readFile(model)).fill('x', 1000, 1001));
  await utimes(`${model}.new`, atime, new Date('2020-01-01'));
  await rename(`${model}.new`, model);
  const run = await workspace.run(['verify', 'model', '--quick']);
  expect(run.exit).toBe(7);
  expect(run.stdout).toMatch(
    /^changed {2}model\.safetensors {2}\(sha256 [0-9a-f]{12}… instead of [0-9a-f]{12}…\)\n$/,
  );
  await appendFile(model, 'x');
  const longer = await workspace.run(['verify', 'model', '--quick']);
  expect(longer.stdout).toBe('changed  model.safetensors  (100,001 bytes instead of 100,000)\n');
});

test('--quick does not take an edit for nothing whose time was set back', async () => {
  await using workspace = await fetched();
  await rot(workspace.path('model/model.safetensors'));
  expect((await workspace.run(['verify', 'model', '--quick'])).exit).toBe(7);
});

test('--repair fetches what is wrong from the pinned commit, and only that', async () => {
  await using own = await startHub({ repositories: [manyRevisions()] });
  await using workspace = await Workspace.open({ endpoint: own.origin });
  await workspace.run([REPO, '--local-dir', 'model', '--quiet']);
  const truth = await own.truth(REPO, own.repository(REPO).commitOf('main').id);
  await rot(workspace.path('model/model.safetensors'));
  // The branch moves on, and the repair must not.
  own.repository(REPO).setBranch('main', []);
  own.log.clear();
  const run = await workspace.run(['verify', 'model', '--repair']);
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('model')}\n` });
  expect(await compareWithTruth(workspace.path('model'), truth)).toEqual([]);
  expect(own.log.where({ origin: 'hub' }).map(({ path }) => path)).toEqual(['model.safetensors']);
  expect((await workspace.run(['verify', 'model'])).exit).toBe(0);

  const again = await workspace.run(['verify', 'model', '--repair', '--json', '--quiet']);
  expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, fetched: 0 });

  // Without an endpoint of its own, a repair goes to the hub of the manifest, and takes no token there.
  await using elsewhere = await Workspace.open();
  await rm(workspace.path('model/README.md'));
  own.log.clear();
  const env = { HF_TOKEN: 'hf_secret' };
  const repaired = await elsewhere.run(['verify', workspace.path('model'), '--repair', '--quiet'], { env });
  expect(repaired.exit).toBe(0);
  expect(new Set(own.log.where().map(({ path }) => path))).toEqual(new Set(['README.md']));
  expect(own.log.where().filter(({ authorization }) => authorization !== 'none')).toEqual([]);
});

test('a directory without a manifest is compared with the hub', async () => {
  await using workspace = await fetched();
  await rm(workspace.path('model/.cache'), { recursive: true });
  const without = await workspace.run(['verify', 'model']);
  expect(without.exit).toBe(4);
  expect(workspace.scrub(without.stderr)).toMatchInlineSnapshot(`
    "fetch: error: /work/model has no manifest of fetch (.cache/fetch/manifest.json)
    hint: If git or hf made it, compare with the hub: fetch verify DIR --repo OWNER/NAME --revision REV.
    "
  `);
  expect((await workspace.run(['verify', 'model', '--repo', REPO])).exit).toBe(0);
  expect(hub.log.count({ kind: 'cdn' })).toBe(0);
  const other = await workspace.run(['verify', 'model', '--repo', REPO, '--revision', 'gptq/8bit']);
  expect(other.exit).toBe(7);
  expect(other.stdout).toMatch(/^changed {2}README.md {2}\(7 bytes instead of 24\)\nchanged {2}model/);
});

test('a damaged manifest, no directory, and options that contradict each other', async () => {
  await using workspace = await fetched();
  await writeFile(workspace.path('model/.cache/fetch/manifest.json'), '{');
  expect((await workspace.run(['verify', 'model'])).exit).toBe(7);
  expect((await workspace.run(['verify', 'nowhere'])).exit).toBe(4);
  expect((await workspace.run(['verify', 'model', '--revision', 'main'])).exit).toBe(2);
  expect((await workspace.run(['verify', 'model', '--repo', REPO, '--repair'])).exit).toBe(2);
});
