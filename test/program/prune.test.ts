import { appendFile, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const REPO = 'tests/shrinking';

/** A hub whose branch has lost two directories of files since they were fetched, and a file of the user beside them. */
async function setUp(): Promise<{ hub: Hub; workspace: Workspace }> {
  const kept = [gitFile('config.json', '{}\n'), xetFile('model.bin', 'weights')];
  const lost = [gitFile('old/a.txt', 'a\n'), gitFile('old/deep/b.txt', 'b\n'), gitFile('gone.txt', 'gone\n')];
  const hub = await startHub({ repositories: [{ id: REPO, branches: { main: [...kept, ...lost] } }] });
  const workspace = await Workspace.open({ endpoint: hub.origin });
  expect((await workspace.run([REPO, '--quiet'])).exit).toBe(0);
  hub.repository(REPO).setBranch('main', kept);
  await mkdir(workspace.path('shrinking/mine'));
  await writeFile(workspace.path('shrinking/mine/notes.txt'), 'mine\n');
  return { hub, workspace };
}

test('only what came from us and was not edited is deleted, and a dry run lists it', async () => {
  const { hub, workspace } = await setUp();
  await using _hub = hub;
  await using _workspace = workspace;
  await appendFile(workspace.path('shrinking/gone.txt'), 'edited\n');
  const has = () =>
    ['old/a.txt', 'old/deep/b.txt', 'gone.txt', 'config.json', 'mine/notes.txt'].filter((path) =>
      workspace.has('shrinking', path),
    );
  const all = has();

  const dry = await workspace.run([REPO, '--prune', '--dry-run']);
  expect(dry.exit).toBe(0);
  expect(dry.stdout).toMatch(/\ndelete {2}old\/a\.txt {2}\(2 B\)\ndelete {2}old\/deep\/b\.txt {2}\(2 B\)\n$/);
  const json = await workspace.run([REPO, '--prune', '--dry-run', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({ prune: [{ path: 'old/a.txt', size: 2 }, {}] });
  expect(has()).toEqual(all);

  // Runs without --prune delete nothing, and forget nothing.
  expect((await workspace.run([REPO, '--quiet'])).exit).toBe(0);
  expect((await workspace.run([REPO, '--quiet', '--force-download'])).exit).toBe(0);
  expect(has()).toEqual(all);

  const run = await workspace.run([REPO, '--prune', '--progress', 'none']);
  expect(run.exit).toBe(0);
  expect(run.stderr.split('\n').slice(0, 3)).toEqual([
    'fetch: deleted old/a.txt: the revision does not have it any more',
    'fetch: deleted old/deep/b.txt: the revision does not have it any more',
    'fetch: kept gone.txt: the revision does not have it any more, but it was edited here',
  ]);
  expect(has()).toEqual(['gone.txt', 'config.json', 'mine/notes.txt']);
  expect(workspace.has('shrinking/old')).toBe(false);
});

test('nothing is deleted through a link', async () => {
  const { hub, workspace } = await setUp();
  await using _hub = hub;
  await using _workspace = workspace;
  await rename(workspace.path('shrinking/old'), workspace.path('elsewhere'));
  await symlink(workspace.path('elsewhere'), workspace.path('shrinking/old'));
  await rename(workspace.path('shrinking/gone.txt'), workspace.path('gone.txt'));
  await symlink(workspace.path('gone.txt'), workspace.path('shrinking/gone.txt'));
  expect((await workspace.run([REPO, '--prune', '--quiet'])).exit).toBe(0);
  for (const path of ['elsewhere/a.txt', 'elsewhere/deep/b.txt', 'gone.txt', 'shrinking/gone.txt'])
    expect(workspace.has(path)).toBe(true);
});

test('files that a filter leaves out, and those of another repository, are not pruned', async () => {
  const { hub, workspace } = await setUp();
  await using _hub = hub;
  await using _workspace = workspace;
  hub.add({ id: 'tests/other', branches: { main: [gitFile('README.md', 'other\n')] } });
  expect((await workspace.run([REPO, 'config.json', '--prune', '--quiet'])).exit).toBe(0);
  expect(workspace.has('shrinking/model.bin')).toBe(true);
  expect(workspace.has('shrinking/gone.txt')).toBe(false);
  const words = ['tests/other', '--local-dir', 'shrinking', '--prune', '--replace-repo', '--quiet'];
  expect((await workspace.run(words)).exit).toBe(0);
  expect(workspace.has('shrinking/model.bin')).toBe(true);
});
