import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { hostileNames } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile } from '../support/hub/repositories/file.ts';
import { type Run, Workspace } from '../support/run-program.ts';

const ID = 'tests/hostile-names';
/** Whatever a terminal would obey, or show in another order than it is. */
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

interface Scene {
  readonly hub: Hub;
  readonly workspace: Workspace;
}

async function withNames<T>(names: readonly string[], act: (scene: Scene) => Promise<T>): Promise<T> {
  await using hub = await startHub({ repositories: [hostileNames(names)] });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  return await act({ hub, workspace });
}

function expectPlain(run: Run): void {
  expect(run.stdout).not.toMatch(CONTROLS);
  expect(run.stderr).not.toMatch(CONTROLS);
}

describe('names that would leave the directory, or change what is not theirs', () => {
  test.each([
    ['../outside.txt'],
    ['a/../../outside.txt'],
    ['..'],
    ['/tmp/fetch-outside.txt'],
    ['..\\outside.txt'],
    ['C:\\outside.txt'],
    ['C:/outside.txt'],
    ['\\\\host\\share\\x'],
    ['nul\0byte.txt'],
    ['line\nbreak.txt'],
    ['\u001b[2J\u001b[31mred\u0007.txt'],
    ['.git/config'],
    ['.GIT/hooks/post-checkout'],
    ['sub/.git/config'],
    ['.cache/fetch/manifest.json'],
    ['.cache/huggingface/download/config.json.metadata'],
    ['.Cache/fetch/lock'],
    ['a//b.txt'],
    ['./a.txt'],
    [`${'long'.repeat(80)}.txt`],
  ])('%j', async (name) => {
    await withNames([name], async ({ hub, workspace }) => {
      const run = await workspace.run([ID]);
      expect(run).toMatchObject({ exit: 8, stdout: '' });
      expect(run.stderr).toContain('a name cannot be written to');
      expect(run.stderr).toContain('Nothing was written.');
      expectPlain(run);
      // As JSON writes it, so that no part of it looks like a part of the sentence.
      if (!CONTROLS.test(name)) expect(run.stderr).toContain(JSON.stringify(name));
      // The decision was made before the first write, and before the first byte.
      expect(await readdir(workspace.directory)).toEqual([]);
      expect((await readdir(workspace.root)).sort()).toEqual(['home', 'work']);
      expect(hub.log.entries.map(({ kind }) => kind)).toEqual(['revision', 'tree']);
    });
  });

  test('all of them are named, not only the first', async () => {
    await withNames(['../one', 'good.txt', '/two', '.git/three'], async ({ workspace }) => {
      const run = await workspace.run([ID]);
      expect(run.exit).toBe(8);
      for (const name of ['"../one"', '"/two"', '".git/three"']) expect(run.stderr).toContain(name);
      expect(run.stderr).not.toContain('good.txt');
      expect(await readdir(workspace.directory)).toEqual([]);
    });
  });

  test('they can be left out, and the rest is fetched', async () => {
    await withNames(['../one', 'good.txt'], async ({ hub, workspace }) => {
      const run = await workspace.run([ID, '--exclude', '..*', '--quiet']);
      expect(run).toMatchObject({ exit: 0, stderr: '' });
      const truth = (await hub.truth(ID)).filter(({ path }) => !path.startsWith('..'));
      expect(await compareWithTruth(workspace.path('hostile-names'), truth)).toEqual([]);
    });
  });

  test('a file where another name needs a directory', async () => {
    await withNames(['thing', 'thing/inside.txt'], async ({ workspace }) => {
      const run = await workspace.run([ID]);
      expect(run.exit).toBe(8);
      expect(run.stderr).toContain('thing');
      expect(await readdir(workspace.directory)).toEqual([]);
    });
  });

  test('a dry run says so too', async () => {
    await withNames(['../one'], async ({ workspace }) => {
      expect(await workspace.run([ID, '--dry-run'])).toMatchObject({ exit: 8, stdout: '' });
    });
  });
});

describe('what stands in the target already', () => {
  test('a link to a directory outside is not followed', async () => {
    await withNames(['sub/file.txt'], async ({ hub, workspace }) => {
      await mkdir(workspace.path('elsewhere'));
      await mkdir(workspace.path('hostile-names'));
      await symlink(workspace.path('elsewhere'), workspace.path('hostile-names/sub'));
      const run = await workspace.run([ID]);
      expect(run).toMatchObject({ exit: 8, stdout: '' });
      expect(run.stderr).toContain('sub/file.txt');
      expect(run.stderr).toContain('a link stands in the way');
      expect(await readdir(workspace.path('elsewhere'))).toEqual([]);
      expect(await readdir(workspace.path('hostile-names'))).toEqual(['sub']);
      expect(hub.log.count({ kind: 'resolve' })).toBe(0);
    });
  });

  test('neither is one in place of our own state', async () => {
    await withNames([], async ({ workspace }) => {
      await mkdir(workspace.path('elsewhere'));
      await mkdir(workspace.path('hostile-names'));
      await symlink(workspace.path('elsewhere'), workspace.path('hostile-names/.cache'));
      const run = await workspace.run([ID]);
      expect(run).toMatchObject({ exit: 8, stdout: '' });
      expect(await readdir(workspace.path('elsewhere'))).toEqual([]);
    });
  });

  test('a link to a file is replaced, not written through', async () => {
    await withNames(['victim.txt'], async ({ hub, workspace }) => {
      await mkdir(workspace.path('hostile-names'));
      await writeFile(workspace.path('precious'), 'precious');
      await symlink(workspace.path('precious'), workspace.path('hostile-names/victim.txt'));
      expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0 });
      expect(await readFile(workspace.path('precious'), 'utf8')).toBe('precious');
      expect(await compareWithTruth(workspace.path('hostile-names'), await hub.truth(ID))).toEqual([]);
    });
  });

  test('a directory where a file must go', async () => {
    await withNames(['thing'], async ({ workspace }) => {
      await mkdir(workspace.path('hostile-names/thing'), { recursive: true });
      await writeFile(workspace.path('hostile-names/thing/mine.txt'), 'mine');
      const run = await workspace.run([ID]);
      expect(run.exit).toBe(8);
      expect(run.stderr).toContain('a directory stands where this file must go');
      expect(await readFile(workspace.path('hostile-names/thing/mine.txt'), 'utf8')).toBe('mine');
    });
  });

  test('a file in place of the directory', async () => {
    await withNames([], async ({ workspace }) => {
      await writeFile(workspace.path('hostile-names'), 'a file');
      const run = await workspace.run([ID]);
      expect(run).toMatchObject({ exit: 8, stdout: '' });
      expect(await readFile(workspace.path('hostile-names'), 'utf8')).toBe('a file');
    });
  });

  test.skipIf(process.getuid?.() === 0)('a directory that must not be written to', async () => {
    await withNames([], async ({ workspace }) => {
      await mkdir(workspace.path('hostile-names'), { mode: 0o555 });
      const run = await workspace.run([ID]);
      expect(run).toMatchObject({ exit: 8, stdout: '' });
      expect((await stat(workspace.path('hostile-names'))).mode & 0o777).toBe(0o555);
    });
  });
});

describe('texts of a server never control the terminal', () => {
  const TRICK = 'in\u202enocsj.txt';

  test.each([
    ['plain lines', ['--verbose']],
    ['a plan', ['--dry-run']],
    ['a plan in JSON', ['--dry-run', '--json']],
    ['events', ['--json']],
  ] as const)('%s', async (_name, words) => {
    await withNames([TRICK], async ({ workspace }) => {
      const run = await workspace.run([ID, ...words]);
      expect(run.exit).toBe(0);
      expectPlain(run);
    });
  });

  test('nor do branches and messages', async () => {
    await using hub = await startHub({ repositories: [hostileNames([])] });
    hub.repository(ID).setBranch('mai\u001b[31mn\u0007', [gitFile('x', 'x')]);
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const mistyped = await workspace.run([ID, '--revision', 'mai']);
    expect(mistyped.exit).toBe(4);
    expectPlain(mistyped);
    hub.faults.add({
      on: 'tree',
      effect: { kind: 'status', status: 403, body: '{"error":"\\u001b]0;title\\u0007 go away"}' },
    });
    const refused = await workspace.run([ID, '--verbose']);
    expect(refused.exit).toBe(5);
    expect(refused.stderr).toContain('go away');
    expectPlain(refused);
  });
});
