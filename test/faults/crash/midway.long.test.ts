import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { generated } from '../../support/hub/content/content.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, xetFile } from '../../support/hub/repositories/file.ts';
import { handOver, unprivileged } from '../../support/other-user.ts';
import { PROGRAM, type RunningProgram, Workspace } from '../../support/run-program.ts';
import { bindAt, canMount, mountAt } from '../../support/small-disk.ts';

/** What befalls the disk while a run is under way: it ends with exit 8 and a name, and nothing is lost. */

const MIB = 1 << 20;
const ID = 'tests/midway';
const SIZE = 12 * MIB;
const DISK = { exit: 8, stdout: '' };
const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const canLimit = spawnSync('prlimit', ['--version']).status === 0;

let hub: Hub;
let workspace: Workspace;
let directory: string;

beforeEach(async () => {
  hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: {
          main: [gitFile('config.json', '{}\n'), xetFile('sub/model.bin', generated('midway', SIZE))],
        },
      },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
  directory = workspace.path('midway');
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

/** A run of which `bytes` have come, and which goes on slowly. */
async function underWay(bytes: number, command?: readonly string[]): Promise<RunningProgram> {
  hub.settings.bytesPerSecond = 4 * MIB;
  const program = workspace.start([ID, '--quiet'], command === undefined ? {} : { command });
  await program.until('some is there', () => hub.log.bytesSent('cdn') > bytes);
  return program;
}

/** Again, when the reason is gone: all is right, and no more than `atMost` bytes came once more. */
async function expectRecovery(atMost: number, command?: readonly string[]): Promise<void> {
  // Without a limit, what stands in the sockets of a busy machine counts as sent.
  hub.settings.bytesPerSecond = 16 * MIB;
  const before = hub.log.bytesSent('cdn');
  const run = await workspace.run([ID, '--quiet'], command === undefined ? {} : { command });
  expect(run).toMatchObject({ exit: 0 });
  expect(hub.log.bytesSent('cdn') - before).toBeLessThanOrEqual(atMost);
  expect(await compareWithTruth(directory, await hub.truth(ID))).toEqual([]);
}

function expectNoFinalName(): void {
  expect(existsSync(join(directory, 'sub/model.bin'))).toBe(false);
}

describe('permissions that are taken away in the middle', () => {
  beforeEach(({ skip }) =>
    skip(unprivileged === undefined, 'no user can be made here whom anything is forbidden to'),
  );

  test.each([
    ['the directory', ''],
    ['the directory of the file', 'sub'],
    ['the directory of the parts', '.cache/fetch/parts'],
    ['the directory of the records', '.cache/fetch'],
  ])('of %s', async (_what, name) => {
    if (name !== '') mkdirSync(join(directory, 'sub'), { recursive: true });
    handOver(workspace.root);
    const program = await underWay(4 * MIB, unprivileged);
    chmodSync(join(directory, name), 0o500);
    const run = await program.ended;
    chmodSync(join(directory, name), 0o700);
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('permission is denied');
    expect(run.stderr).toMatch(/hint: .*(--local-dir)/);
    await expectRecovery(SIZE - 4 * MIB, unprivileged);
  });

  test('of an old file that is to be replaced: it is replaced, as a directory decides on its names', async () => {
    mkdirSync(join(directory, 'sub'), { recursive: true });
    writeFileSync(join(directory, 'sub/model.bin'), 'old');
    handOver(workspace.root);
    const program = await underWay(4 * MIB, unprivileged);
    chmodSync(join(directory, 'sub/model.bin'), 0o000);
    expect(await program.ended).toMatchObject({ exit: 0 });
    expect(await compareWithTruth(directory, await hub.truth(ID))).toEqual([]);
  });

  test('from the beginning', async () => {
    mkdirSync(directory);
    handOver(workspace.root);
    chmodSync(directory, 0o500);
    const run = await workspace.run([ID], { command: unprivileged ?? [] });
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('permission is denied');
    expect(hub.log.bytesSent('cdn')).toBe(0);
    chmodSync(directory, 0o700);
    await expectRecovery(SIZE, unprivileged);
  });

  test('a directory that may not be entered any more', async () => {
    handOver(workspace.root);
    const program = await underWay(4 * MIB, unprivileged);
    chmodSync(directory, 0o000);
    const run = await program.ended;
    chmodSync(directory, 0o700);
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('permission is denied');
    expectNoFinalName();
    await expectRecovery(SIZE, unprivileged);
  });
});

describe('a directory of more than one file system', () => {
  beforeEach(({ skip }) => skip(!canMount, 'this user cannot mount file systems'));

  test.each([
    ['the files', 'sub'],
    ['the parts', '.cache/fetch/parts'],
    ['all that is ours', '.cache'],
  ])('with %s elsewhere is named before anything is fetched', async (_what, name) => {
    mkdirSync(join(directory, name), { recursive: true });
    using _disk = mountAt(join(directory, name));
    const run = await workspace.run([ID]);
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('another file system');
    expect(run.stderr).toContain('hint: ');
    expect(hub.log.bytesSent('cdn')).toBe(0);
  });

  test('is no matter to files that are there already', async () => {
    mkdirSync(join(directory, 'sub'), { recursive: true });
    using _disk = mountAt(join(directory, 'sub'));
    for (const file of await hub.truth(ID)) writeFileSync(join(directory, file.path), await file.bytes());
    expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0 });
    expect(hub.log.bytesSent('cdn')).toBe(0);
  });

  test('that cannot be told beforehand: nothing that was fetched is lost', async () => {
    mkdirSync(join(directory, 'sub'), { recursive: true });
    mkdirSync(workspace.path('elsewhere'));
    {
      using _place = bindAt(workspace.path('elsewhere'), join(directory, 'sub'));
      const first = await workspace.run([ID]);
      expect(first).toMatchObject(DISK);
      expect(first.stderr).toContain('another file system');
      expect(readdirSync(workspace.path('elsewhere'))).toEqual([]);
      const before = hub.log.bytesSent('cdn');
      expect(await workspace.run([ID])).toMatchObject(DISK);
      expect(hub.log.bytesSent('cdn')).toBe(before);
    }
    await expectRecovery(0);
  });
});

describe('a disk that refuses in the middle', () => {
  beforeEach(({ skip }) => skip(!canTrace, 'strace does not run here'));

  /** From the n-th call on, the system answers so, in all threads. */
  const refusing = (call: string, code: string, from: number) => [
    ...['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`],
    ...['-e', `inject=${call}:error=${code}:when=${from}+`, process.execPath, PROGRAM],
  ];

  test.each([
    ['becomes read-only', 'pwrite64', 'EROFS', 'the file system is read-only'],
    ['reports errors', 'pwrite64', 'EIO', 'the disk reports an error'],
    ['has no quota left', 'pwrite64', 'EDQUOT', 'the disk quota is used up'],
    ['cannot flush', 'fdatasync', 'EIO', 'the disk reports an error'],
    ['is read-only when the file gets its name', 'rename', 'EROFS', 'the file system is read-only'],
  ])('%s: exit 8, and the same command goes on', async (_what, call, code, text) => {
    const run = await workspace.run([ID], { command: refusing(call, code, call === 'pwrite64' ? 10 : 1) });
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain(text);
    expect(run.stderr).toContain('hint: ');
    expectNoFinalName();
    await expectRecovery(SIZE);
  });
});

describe('a limit on the size of files', () => {
  beforeEach(({ skip }) => skip(!canLimit, 'there is no prlimit here'));

  test('that is set in the middle: exit 8, and what came is kept', async () => {
    const program = await underWay(4 * MIB);
    execFileSync('prlimit', ['--pid', `${program.pid}`, `--fsize=${2 * MIB}`]);
    const run = await program.ended;
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('the limit of this process');
    expect(run.stderr).toContain('ulimit -f');
    expectNoFinalName();
    await expectRecovery(SIZE - MIB);
  });

  test('under which not even a journal fits', async () => {
    const limited = ['prlimit', '--fsize=16', process.execPath, PROGRAM];
    const run = await workspace.run([ID], { command: limited });
    expect(run).toMatchObject(DISK);
    expect(run.stderr).toContain('the limit of this process');
    await expectRecovery(SIZE + MIB);
  });
});
