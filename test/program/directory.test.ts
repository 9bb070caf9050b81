import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { bytes, generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import type { RequestKind } from '../support/hub/wire/exchange.ts';
import { type RunningProgram, Workspace } from '../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/directory';
const SIZE = 24 * MIB;
const CARRIERS: readonly RequestKind[] = ['cdn', 'resolve-cache'];

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: {
          main: [
            gitFile('config.json', '{"version": 1}\n'),
            gitFile('notes.txt', 'notes\n'),
            lfsFile('tokenizer.model', generated('directory tokenizer', 200_000)),
            xetFile('model.safetensors', generated('directory', SIZE)),
          ],
        },
      },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const directory = () => workspace.path('directory');

async function expectTruth(): Promise<void> {
  expect(await compareWithTruth(directory(), await hub.truth(ID))).toEqual([]);
}

async function plan(): Promise<{
  totals: { held: number; fetch: number };
  files: { path: string; held: number; action: string; replaces: boolean }[];
}> {
  return JSON.parse((await workspace.run([ID, '--dry-run', '--json'])).stdout);
}

interface ManifestShape {
  readonly commit: string;
  readonly files: readonly { path: string; sha256: string }[];
}

async function manifest(): Promise<ManifestShape> {
  return JSON.parse(await readFile(workspace.path('directory/.cache/fetch/manifest.json'), 'utf8'));
}

/** A run that is under way, slow enough to be met there. */
async function startSlowly(words: readonly string[] = []): Promise<RunningProgram> {
  hub.settings.bytesPerSecond = 2 * MIB;
  const program = workspace.start([ID, ...words]);
  await program.until('half of it is here', () => hub.log.bytesSent('cdn') > SIZE / 2);
  return program;
}

async function killInTheMiddle(): Promise<void> {
  const program = await startSlowly();
  program.kill('SIGKILL');
  await program.ended;
  hub.settings.bytesPerSecond = undefined;
  hub.log.clear();
}

describe('going on after a kill', () => {
  test('when the branch has moved and the big file has not changed, its part is continued', async () => {
    await killInTheMiddle();
    hub
      .repository(ID)
      .changeFile('main', 'config.json', (file) => ({ ...file, content: bytes('{"version": 2}\n') }));
    const { held } = (await plan()).totals;
    expect(held).toBeGreaterThan(SIZE / 4);
    const run = await workspace.run([ID]);
    expect(run.exit).toBe(0);
    expect(hub.log.bytesSent('cdn')).toBeLessThanOrEqual(SIZE - held + 300_000 + 4 * MIB);
    await expectTruth();
    expect(JSON.parse(await readFile(workspace.path('directory/config.json'), 'utf8'))).toEqual({
      version: 2,
    });
  });

  test('when the big file has changed, its old part is not continued, and goes away', async () => {
    await killInTheMiddle();
    hub
      .repository(ID)
      .changeFile('main', 'model.safetensors', (file) => ({ ...file, content: generated('new', SIZE) }));
    expect((await plan()).files.find(({ path }) => path === 'model.safetensors')?.held).toBe(0);
    expect((await workspace.run([ID])).exit).toBe(0);
    await expectTruth();
    expect(await readdir(workspace.path('directory/.cache/fetch/parts'))).toEqual([]);
  });

  test('a part that was changed by hand is noticed', async () => {
    await killInTheMiddle();
    const parts = workspace.path('directory/.cache/fetch/parts');
    const part = (await readdir(parts)).find((name) => name.endsWith('.part')) ?? '';
    await writeFile(`${parts}/${part}`, Buffer.alloc(SIZE, 'x'));
    const run = await workspace.run([ID, '--json']);
    expect(run.exit).toBe(0);
    expect(run.stdout).toContain('"path":"model.safetensors","bytes":25165824,"how":"repaired"');
    await expectTruth();
  });

  test('a journal of noise is not believed', async () => {
    await killInTheMiddle();
    const parts = workspace.path('directory/.cache/fetch/parts');
    const journal = (await readdir(parts)).find((name) => name.endsWith('.blocks')) ?? '';
    await writeFile(`${parts}/${journal}`, Buffer.alloc(5000, 0xff));
    expect((await workspace.run([ID])).exit).toBe(0);
    await expectTruth();
  });
});

describe('one directory, several runs', () => {
  test('a part of the files, then all of them', async () => {
    expect((await workspace.run([ID, '--include', '*.json', '--include', 'tok*'])).exit).toBe(0);
    expect((await manifest()).files.map(({ path }) => path)).toEqual(['config.json', 'tokenizer.model']);
    hub.log.clear();
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(hub.log.where({ kind: CARRIERS }).map(({ path }) => path)).not.toContain('tokenizer.model');
    await expectTruth();
    expect((await manifest()).files).toHaveLength(4);
    // A part again: what is known of the others is not forgotten.
    expect((await workspace.run([ID, 'config.json'])).exit).toBe(0);
    expect((await manifest()).files).toHaveLength(4);
  });

  test('a file that was removed upstream stays, and is no longer in the manifest', async () => {
    expect((await workspace.run([ID])).exit).toBe(0);
    const files = [...hub.repository(ID).commitOf('main').files.values()];
    hub.repository(ID).setBranch(
      'main',
      files.filter(({ path }) => path !== 'notes.txt'),
    );
    hub.log.clear();
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(hub.log.bytesSent({ kind: CARRIERS })).toBe(0);
    expect(await compareWithTruth(directory(), await hub.truth(ID))).toEqual([
      { path: 'notes.txt', what: 'extra' },
    ]);
    expect((await manifest()).files.map(({ path }) => path)).not.toContain('notes.txt');
    expect((await manifest()).commit).toBe(hub.repository(ID).commitOf('main').id);
  });

  test('a file that changed upstream: the old one stands until the new one is whole', async () => {
    expect((await workspace.run([ID])).exit).toBe(0);
    const old = await readFile(workspace.path('directory/tokenizer.model'));
    hub
      .repository(ID)
      .changeFile('main', 'tokenizer.model', (file) => ({ ...file, content: generated('new', 200_000) }));
    hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'flip', offset: 9 } });
    const failed = await workspace.run([ID]);
    expect(failed.exit).toBe(7);
    expect((await readFile(workspace.path('directory/tokenizer.model'))).equals(old)).toBe(true);
    hub.faults.clear();
    expect((await workspace.run([ID])).exit).toBe(0);
    await expectTruth();
  });

  test('--force-download fetches every byte again', async () => {
    expect((await workspace.run([ID])).exit).toBe(0);
    hub.log.clear();
    expect((await workspace.run([ID, '--force-download'])).exit).toBe(0);
    const truth = await hub.truth(ID);
    const size = truth.reduce((sum, file) => sum + file.size, 0);
    expect(hub.log.bytesSent({ kind: CARRIERS })).toBeGreaterThanOrEqual(size);
    await expectTruth();
  });

  test.each([
    ['of another size', '{"version": 1, "mine": true}\n'],
    ['of the same size', '{"version": 9}\n'],
  ])("an edit of one's own %s is replaced, and that is said", async (_name, text) => {
    expect((await workspace.run([ID])).exit).toBe(0);
    await writeFile(workspace.path('directory/config.json'), text);
    // The record of the Hub's client covers a second more than it says: no edit is that fast.
    const later = new Date(Date.now() + 5000);
    await utimes(workspace.path('directory/config.json'), later, later);
    hub.log.clear();
    const run = await workspace.run([ID]);
    expect(run.exit).toBe(0);
    expect(run.stderr).toMatch(
      /replacing files here that differ from the revision: config\.json|config\.json differs from the revision: it is replaced/,
    );
    expect(hub.log.where({ kind: CARRIERS }).map(({ path }) => path)).toEqual(['config.json']);
    await expectTruth();
  });

  test('a file that was only touched is read, not fetched', async () => {
    expect((await workspace.run([ID])).exit).toBe(0);
    const later = new Date(Date.now() + 100_000);
    await utimes(workspace.path('directory/model.safetensors'), later, later);
    hub.log.clear();
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(hub.log.bytesSent({ kind: CARRIERS })).toBe(0);
  });

  test('a directory that `hf download` made is adopted without a byte', async () => {
    const { id } = hub.repository(ID).commitOf('main');
    const records = workspace.path('directory/.cache/huggingface/download');
    await mkdir(records, { recursive: true });
    for (const { path, storage, gitSha1, sha256, bytes: read } of await hub.truth(ID)) {
      await writeFile(workspace.path('directory', path), await read());
      const etag = storage === 'git' ? gitSha1 : sha256;
      await writeFile(`${records}/${path}.metadata`, `${id}\n${etag}\n${Date.now() / 1000 + 1}\n`);
    }
    const run = await workspace.run([ID]);
    expect(run.exit).toBe(0);
    expect(hub.log.bytesSent({ kind: CARRIERS })).toBe(0);
    await expectTruth();
    expect((await manifest()).files).toHaveLength(4);
  });

  test('files without any record are adopted when they are right', async () => {
    await mkdir(directory());
    for (const { path, bytes: read } of await hub.truth(ID))
      await writeFile(workspace.path('directory', path), await read());
    await writeFile(workspace.path('directory/my own.txt'), 'mine');
    const run = await workspace.run([ID]);
    expect(run.exit).toBe(0);
    expect(hub.log.bytesSent({ kind: CARRIERS })).toBe(0);
    expect(await readFile(workspace.path('directory/my own.txt'), 'utf8')).toBe('mine');
  });
});

describe('the lock', () => {
  const lock = 'directory/.cache/fetch/lock';

  test('two at once: the second ends with 9 and disturbs nothing', async () => {
    const first = await startSlowly();
    const second = await workspace.run([ID, '--json']);
    expect(second.exit).toBe(9);
    expect(second.stderr).toContain(`process ${first.pid} is working on this directory`);
    expect(second.stderr).toContain('--local-dir');
    expect(second.stdout).toContain('"code":"LOCKED","exit":9');
    // To look is allowed.
    expect((await workspace.run([ID, '--dry-run'])).exit).toBe(0);
    hub.settings.bytesPerSecond = undefined;
    expect((await first.ended).exit).toBe(0);
    await expectTruth();
    expect(workspace.has(lock)).toBe(false);
  });

  test('one of a process that was killed is taken over', async () => {
    await killInTheMiddle();
    expect(workspace.has(lock)).toBe(true);
    expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0, stderr: '' });
    expect(workspace.has(lock)).toBe(false);
  });

  test('one whose process id belongs to another process now is taken over', async () => {
    await killInTheMiddle();
    const owner = JSON.parse(await readFile(workspace.path(lock), 'utf8'));
    await writeFile(workspace.path(lock), `${JSON.stringify({ ...owner, pid: process.pid })}\n`);
    expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0, stderr: '' });
  });
});

describe('a disk that is too small', () => {
  function claim(size: number): void {
    const lfs = { oid: 'ab'.repeat(32), size, pointerSize: 134 };
    const listing = [{ type: 'file', oid: 'cd'.repeat(20), size, path: 'model.safetensors', lfs }];
    hub.faults.add({
      on: 'tree',
      times: 'always',
      effect: {
        kind: 'status',
        status: 200,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(listing),
      },
    });
  }

  test('exit 8 before any byte, and nothing stays', async () => {
    claim(5e15);
    const run = await workspace.run([ID]);
    expect(run).toMatchObject({ exit: 8, stdout: '' });
    expect(run.stderr).toContain(
      'The disk is too small: 5,000,000,000,000,000 bytes (5.00 PB) are still to be written',
    );
    expect(run.stderr).toContain('--ignore-space');
    // Where the files are may be asked for beside the listing; no byte of them is.
    expect(hub.log.count({ kind: ['cdn', 'resolve-cache'] })).toBe(0);
    expect(hub.log.where({ kind: 'resolve' }).every(({ method }) => method === 'HEAD')).toBe(true);
    expect(await readdir(workspace.directory)).toEqual([]);
  });

  test('a dry run tells it without failing', async () => {
    claim(5e15);
    const run = await workspace.run([ID, '--dry-run']);
    expect(run.exit).toBe(0);
    expect(run.stdout).toContain('needs 5.00 PB of disk space; only ');
    expect(await readdir(workspace.directory)).toEqual([]);
  });

  test('--ignore-space goes on', async () => {
    claim(2e12);
    const run = await workspace.run([ID, '--ignore-space', '--retries', '1']);
    // The hub has another file there than it lists: that is found out when the bytes come.
    expect(run.exit).toBe(6);
    expect(hub.log.count({ kind: 'cdn' })).toBeGreaterThan(0);
  });
});

test('files get the permissions that the umask leaves, as usual', async () => {
  expect((await workspace.run([ID, 'config.json'])).exit).toBe(0);
  const before = process.umask();
  expect((await stat(workspace.path('directory/config.json'))).mode & 0o777).toBe(0o666 & ~before);
});
