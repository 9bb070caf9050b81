import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { bigFile } from '../../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { Workspace } from '../../support/run-program.ts';
import { canMount, makeReadOnly, smallDisk } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MIB = 1 << 20;
const ID = 'tests/big-file';
const SIZE = 16 * MIB;
const DISK = { exit: 8, stdout: '' };

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({ repositories: [bigFile(SIZE)] });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

async function expectWhole(directory: string, ...words: readonly string[]): Promise<void> {
  expect(await workspace.run([ID, '--local-dir', directory, '--quiet', ...words])).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(directory, await hub.truth(ID))).toEqual([]);
}

/** A run that is killed in the middle; returns where its parts are. */
async function killed(): Promise<string> {
  hub.settings.bytesPerSecond = 3 * MIB;
  const program = workspace.start([ID, '--quiet']);
  await program.until('some is there', () => hub.log.bytesSent('cdn') > 6 * MIB);
  program.kill('SIGKILL');
  await program.ended;
  hub.settings.bytesPerSecond = undefined;
  return workspace.path('big-file/.cache/fetch/parts');
}

const partOf = (parts: string, end: string) =>
  join(parts, readdirSync(parts).filter((name) => name.endsWith(end))[0] ?? 'none');

describe.skipIf(!canMount)('a disk', () => {
  test('that is too small is named before anything is fetched; with --ignore-space, when it is full', async () => {
    const disk = smallDisk(8 * 1024);
    expect(await workspace.run([ID, '--local-dir', disk])).toMatchObject(DISK);
    expect(hub.log.bytesSent('cdn')).toBe(0);
    const run = await workspace.run([ID, '--local-dir', disk, '--ignore-space']);
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('no space is left on the disk');
    expect(readdirSync(disk)).not.toContain('model.bin');
  });

  test('that fills up in the middle keeps what came, and the same command goes on when there is room', async () => {
    const disk = smallDisk(24 * 1024);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(14 * MIB));
    expect(await workspace.run([ID, '--local-dir', disk, '--ignore-space'])).toMatchObject(DISK);
    unlinkSync(join(disk, 'filler'));
    const before = hub.log.bytesSent('cdn');
    await expectWhole(disk);
    expect(hub.log.bytesSent('cdn') - before).toBeLessThan(SIZE - 4 * MIB);
  });

  test('that is read-only', async () => {
    const disk = smallDisk(32 * 1024);
    makeReadOnly(disk);
    const run = await workspace.run([ID, '--local-dir', disk]);
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('the file system is read-only');
  });
});

test.skipIf(process.platform === 'win32')('a limit on the size of files', async () => {
  const limited = ['bash', '-c', 'ulimit -f 8192 && exec "$@"', 'bash', process.execPath];
  const { PROGRAM } = await import('../../support/run-program.ts');
  const run = await workspace.run([ID], { command: [...limited, PROGRAM] });
  expect(run).toMatchObject(DISK);
  expect(run.stderr).toContain('too large');
  await expectWhole(workspace.path('big-file'));
});

test('a file where a directory must be, and a link in the way', async () => {
  const directory = workspace.path('big-file');
  mkdirSync(directory);
  writeFileSync(join(directory, '.cache'), 'mine');
  expect(await workspace.run([ID])).toMatchObject(DISK);
  expect(readFileSync(join(directory, '.cache'), 'utf8')).toBe('mine');
  unlinkSync(join(directory, '.cache'));
  symlinkSync(temporaryDirectory(), join(directory, '.cache'));
  const run = await workspace.run([ID]);
  expect(run).toMatchObject(DISK);
  expect(run.stderr).toContain('a link stands in the way');
});

describe('what a killed run left', () => {
  test('edited by hand: the hash notices, and the file is fetched again', async () => {
    const parts = await killed();
    const part = readFileSync(partOf(parts, '.part'));
    part.fill('x', 1000, 2000);
    writeFileSync(partOf(parts, '.part'), part);
    await expectWhole(workspace.path('big-file'));
  });

  test.each([
    ['torn', (path: string) => truncateSync(path, 40)],
    [
      'of another version',
      (path: string) =>
        writeFileSync(path, readFileSync(path, 'latin1').replace('"version":2', '"version":9'), 'latin1'),
    ],
    [
      'full of marks that are not true',
      (path: string) =>
        writeFileSync(
          path,
          readFileSync(path).map((byte, index) => (index > 300 ? 1 : byte)),
        ),
    ],
    ['gone', (path: string) => unlinkSync(path)],
  ])('with a journal that is %s', async (_name, spoil) => {
    const parts = await killed();
    spoil(partOf(parts, '.blocks'));
    await expectWhole(workspace.path('big-file'));
    expect(readdirSync(parts)).toEqual([]);
  });
});

test('two runs that do not see each other: both are right, or one of them ends with a name', async () => {
  hub.settings.bytesPerSecond = 4 * MIB;
  // Of the second run, every byte is wrong at first.
  const first = workspace.start([ID, '--quiet']);
  await first.until('some is there', () => hub.log.bytesSent('cdn') > 2 * MIB);
  rmSync(workspace.path('big-file/.cache/fetch/lock'));
  hub.faults.add({ on: 'cdn', times: 3, effect: { kind: 'shifted-bytes', shift: 4096 } });
  const second = workspace.start([ID, '--quiet']);
  for (const run of await Promise.all([first.ended, second.ended])) expect([0, 8]).toContain(run.exit);
  hub.settings.bytesPerSecond = undefined;
  await expectWhole(workspace.path('big-file'));
});
