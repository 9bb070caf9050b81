import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { generated } from '../../support/hub/content/content.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, lfsFile } from '../../support/hub/repositories/file.ts';
import { PROGRAM, Workspace } from '../../support/run-program.ts';
import { canMount, makeReadOnly, smallDisk } from '../../support/small-disk.ts';
import { snapshot } from '../../support/store-kit.ts';

const ID = 'tests/places';
const SIZE = 8 << 20;

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  const main = [gitFile('config.json', '{}'), lfsFile('sub/model.bin', generated('places', SIZE))];
  hub = await startHub({ repositories: [{ id: ID, branches: { main } }] });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const canUnshare =
  canMount &&
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' }).status === 0;

describe.skipIf(!canUnshare)('two containers that share a directory and the name of their host', () => {
  const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, PROGRAM];

  test('see each other’s lock', async () => {
    hub.settings.bytesPerSecond = 2 << 20;
    const first = workspace.start([ID, '--quiet'], { command: container });
    await first.until('some is there', () => hub.log.bytesSent('cdn') > 1 << 20);
    // It must not end before the others were answered.
    hub.settings.bytesPerSecond = 64 << 10;
    for (const command of [container, [process.execPath, PROGRAM]]) {
      const run = await workspace.run([ID, '--quiet'], { command });
      expect(run).toMatchObject({ exit: 9, stdout: '' });
    }
    hub.settings.bytesPerSecond = undefined;
    expect((await first.ended).exit).toBe(0);
    expect(await compareWithTruth(workspace.path('places'), await hub.truth(ID))).toEqual([]);
  });

  test('do not touch each other’s parts, also where the lock is gone', async () => {
    hub.settings.bytesPerSecond = 2 << 20;
    const first = workspace.start([ID, '--quiet'], { command: container });
    await first.until('some is there', () => hub.log.bytesSent('cdn') > 1 << 20);
    rmSync(workspace.path('places/.cache/fetch/lock'));
    hub.settings.bytesPerSecond = undefined;
    const second = await workspace.run([ID, '--quiet'], { command: container });
    expect(second.exit).toBe(0);
    expect([0, 8]).toContain((await first.ended).exit);
    expect(await compareWithTruth(workspace.path('places'), await hub.truth(ID))).toEqual([]);
  });
});

describe.skipIf(!canMount)('a disk that cannot be written', () => {
  /** What is right stays right, and only looking is needed to say so. */
  async function expectComplete(disk: string, words: readonly string[], stdout: string): Promise<void> {
    makeReadOnly(disk);
    const before = snapshot(disk);
    for (const offline of [[], ['--offline']]) {
      const run = await workspace.run([ID, ...words, ...offline]);
      expect([offline, run.exit, run.stdout]).toEqual([offline, 0, stdout]);
      expect(run.stderr).toContain('verified');
    }
    expect(snapshot(disk)).toEqual(before);
  }

  test.each(['ours', 'of version 0.1.0 or copied'])('holds a complete directory: %s', async (whose) => {
    const disk = smallDisk(64 << 10);
    const words = ['--local-dir', join(disk, 'model')];
    expect((await workspace.run([ID, ...words, '--quiet'])).exit).toBe(0);
    if (whose !== 'ours') rmSync(join(disk, 'model/.cache/fetch/hashed.jsonl'));
    await expectComplete(disk, words, `${join(disk, 'model')}\n`);
  });

  test.each(['fetch', 'hf'])('holds a complete cache that %s has filled', async (whose) => {
    const disk = smallDisk(64 << 10);
    const words = ['--cache-dir', disk];
    const first = await workspace.run([ID, ...words, '--quiet']);
    expect(first.exit).toBe(0);
    if (whose === 'hf') rmSync(join(disk, '.locks'), { recursive: true });
    await expectComplete(disk, words, first.stdout);
  });

  test('holds something else: that is an error, as before', async () => {
    const disk = smallDisk(64 << 10);
    const words = ['--local-dir', join(disk, 'model')];
    expect((await workspace.run([ID, ...words, '--quiet'])).exit).toBe(0);
    const path = join(disk, 'model/sub/model.bin');
    const content = readFileSync(path);
    content[5]! ^= 1;
    writeFileSync(path, content);
    makeReadOnly(disk);
    const run = await workspace.run([ID, ...words]);
    expect(run).toMatchObject({ exit: 8, stdout: '' });
    expect(run.stderr).toContain('read-only');
  });
});

describe('a place where no directory can be made', () => {
  test.skipIf(process.platform !== 'linux').each([
    ['--local-dir', '/proc/x'],
    ['--local-dir', '/proc/x/y/z'],
    ['--cache-dir', '/proc/x'],
  ])('%s %s ends with its name', async (...words) => {
    const run = await workspace.run([ID, ...words]);
    expect(run).toMatchObject({ exit: 8, stdout: '' });
    expect(run.stderr).toMatch(/\/proc\/x/);
    expect(run.stderr).toContain('hint:');
  });

  test('a link that leads to nothing is called one', async () => {
    symlinkSync(workspace.path('not/mounted'), workspace.path('model'));
    const run = await workspace.run([ID, '--local-dir', 'model']);
    expect(run).toMatchObject({ exit: 8, stdout: '' });
    expect(run.stderr).toMatch(/is a link to .*, which is not there/);
  });
});

test('a directory that was copied is read once, and then known', async () => {
  expect((await workspace.run([ID, '--quiet'])).exit).toBe(0);
  cpSync(workspace.path('places'), workspace.path('copy'), { recursive: true, preserveTimestamps: true });
  const look = async () => {
    const { exit, stderr } = await workspace.run([ID, '--local-dir', 'copy', '--offline']);
    expect(exit).toBe(0);
    return stderr;
  };
  expect(await look()).toContain('to check: 2 files');
  expect(await look()).not.toContain('to check');
});
