import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FetchError } from '../../../../src/model/error.ts';
import { diskError } from '../../../../src/system/disk/disk-error.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import { canMount, makeReadOnly, smallDisk } from '../../../support/small-disk.ts';
import {
  bring,
  bytes,
  digestsOf,
  failureOf,
  gitFile,
  lfsFile,
  MIB,
  never,
  publication,
  revision,
  snapshot,
  write,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const small = Buffer.from('small');
const config = gitFile('config.json', small);

function expectDisk(error: FetchError, code: string): void {
  expect(error).toMatchObject({ code: 'DISK', side: 'store', cause: { code } });
  expect(error.hint).toBeDefined();
}

/** Takes all room that is left. */
function fill(root: string): void {
  const rest = Buffer.alloc(64 * MIB);
  try {
    writeFileSync(join(root, 'filler'), rest);
  } catch {
    // That was the purpose.
  }
}

describe('a file in place of a directory', () => {
  test.each(['', '.cache', '.cache/fetch', '.cache/fetch/parts'])('%j is named on opening', async (name) => {
    const directory = join(temporaryDirectory(), 'target');
    const path = join(directory, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'mine');
    const store = directoryStore({ directory });
    const error = await failureOf(store.open());
    expect(error.code).toBe('DISK');
    expect(error.message).toContain('a file stands where a directory must be');
    await store[Symbol.asyncDispose]();
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('that comes between is named on commit, and the part is kept', async () => {
    const directory = temporaryDirectory();
    const content = bytes(MIB + 1);
    const file = lfsFile('sub/model.bin', content);
    await using store = directoryStore({ directory });
    await store.open();
    const staged = await store.stage(file);
    await write(staged, content);
    writeFileSync(join(directory, 'sub'), '');
    const error = await failureOf(staged.commit(digestsOf(content)));
    expect(error.message).toBe(
      `${join(directory, 'sub/model.bin')}: a file stands where a directory must be`,
    );
    await staged[Symbol.asyncDispose]();
    rmSync(join(directory, 'sub'));
    const { holdings } = await store.survey([file], never);
    expect(holdings.get(file.path)).toEqual({ kind: 'part', part: [{ start: 0, end: content.length }] });
  });

  test('a directory in place of the file as well', async () => {
    const directory = temporaryDirectory();
    await using store = directoryStore({ directory });
    await store.open();
    mkdirSync(join(directory, config.path));
    expectDisk(await failureOf(bring(store, config, small)), 'EISDIR');
  });
});

test('a state directory that vanishes is named', async () => {
  const directory = temporaryDirectory();
  await using store = directoryStore({ directory });
  await store.open();
  rmSync(join(directory, '.cache'), { recursive: true });
  expectDisk(await failureOf(store.stage(config)), 'ENOENT');
  expectDisk(await failureOf(store.publish(publication(revision(), [], []))), 'ENOENT');
});

test('a directory without permission is named', async (context) => {
  if (process.getuid?.() === 0) context.skip('nothing is forbidden to root');
  const directory = join(temporaryDirectory(), 'target');
  mkdirSync(directory);
  chmodSync(directory, 0o500);
  expectDisk(await failureOf(directoryStore({ directory }).open()), 'EACCES');
});

test('a name too long for what is left of a path is named', async () => {
  const directory = join(temporaryDirectory(), ...Array.from({ length: 19 }, () => 'x'.repeat(200)));
  const store = directoryStore({ directory });
  const file = lfsFile(`${'y'.repeat(200)}/${'z'.repeat(200)}`, small);
  await store.open();
  expectDisk(await failureOf(bring(store, file, small)), 'ENAMETOOLONG');
  await store[Symbol.asyncDispose]();
});

describe.skipIf(!canMount)('a disk that is read-only', () => {
  test('is named, and can be looked at', async () => {
    const disk = smallDisk(1024);
    makeReadOnly(disk);
    const store = directoryStore({ directory: join(disk, 'target') });
    await store.refuseNames([config]);
    const { holdings, freeBytes } = await store.survey([config], never);
    expect(holdings.get(config.path)).toEqual({ kind: 'nothing' });
    expect(freeBytes).toBeGreaterThan(0);
    expectDisk(await failureOf(store.open()), 'EROFS');
    await store[Symbol.asyncDispose]();
    expect(readdirSync(disk)).toEqual([]);
  });

  test('since the run began: every step is named', async () => {
    const disk = smallDisk(8 * 1024);
    const content = bytes(2 * MIB);
    const file = lfsFile('model.bin', content);
    const store = directoryStore({ directory: disk });
    await store.open();
    await bring(store, config, small);
    const staged = await store.stage(file);
    await write(staged, content);
    await staged[Symbol.asyncDispose]();
    makeReadOnly(disk);
    expectDisk(await failureOf(store.stage(file)), 'EROFS');
    expectDisk(await failureOf(store.adopt(lfsFile('other', small), digestsOf(small))), 'EROFS');
    expectDisk(await failureOf(store.publish(publication(revision(), [config], [config]))), 'EROFS');
    await store[Symbol.asyncDispose]();
  });
});

describe.skipIf(!canMount)('a full disk', () => {
  test('is known beforehand', async () => {
    const disk = smallDisk(1024);
    const { freeBytes } = await directoryStore({ directory: join(disk, 'a/b') }).survey([], never);
    expect(freeBytes).toBe(MIB);
  });

  test('is named on opening, and the lock is free afterwards', async () => {
    const disk = smallDisk(256);
    mkdirSync(join(disk, '.cache/fetch/parts'), { recursive: true });
    writeFileSync(join(disk, '.cache/fetch/.gitignore'), '*\n');
    fill(disk);
    expectDisk(await failureOf(directoryStore({ directory: disk }).open()), 'ENOSPC');
    expect(existsSync(join(disk, '.cache/fetch/lock'))).toBe(false);
    unlinkSync(join(disk, 'filler'));
    await using store = directoryStore({ directory: disk });
    await store.open();
  });

  test('is named on writing; what was written is continued when there is room again', async () => {
    const disk = smallDisk(3 * 1024);
    const content = bytes(2 * MIB);
    const file = lfsFile('model.bin', content);
    const store = directoryStore({ directory: disk });
    await store.open();
    const staged = await store.stage(file);
    await write(staged, content, 0, MIB);
    fill(disk);
    const error = diskError(await write(staged, content, MIB).catch((thrown) => thrown), 'model.bin');
    expectDisk(error as FetchError, 'ENOSPC');
    expect((error as FetchError).hint).toContain('resumes');
    await staged[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();

    unlinkSync(join(disk, 'filler'));
    await using later = directoryStore({ directory: disk });
    await later.open();
    await using again = await later.stage(file);
    expect(again.received.ranges).toEqual([{ start: 0, end: MIB }]);
    await write(again, content, MIB);
    await again.commit(digestsOf(content));
  });

  test('is named on staging, when the journal has no room, and leaves no half journal', async () => {
    const disk = smallDisk(256);
    await using store = directoryStore({ directory: disk });
    await store.open();
    const huge = { ...lfsFile('huge.bin', small), size: 2 ** 40 };
    expectDisk(await failureOf(store.stage(huge)), 'ENOSPC');
    const { holdings } = await store.survey([huge], never);
    expect(holdings.get('huge.bin')).toEqual({ kind: 'nothing' });
  });

  test('does not stop the journal: its room was taken before', async () => {
    const disk = smallDisk(64);
    await using store = directoryStore({ directory: disk });
    await store.open();
    const size = 5000 * MIB;
    await using staged = await store.stage({ ...lfsFile('large.bin', small), size });
    fill(disk);
    expect(staged.wrote({ start: size - MIB, end: size })).toBe(MIB);
  });

  test('keeps the old manifest', async () => {
    const disk = smallDisk(256);
    await using store = directoryStore({ directory: disk });
    await store.open();
    await bring(store, config, small);
    await store.publish(publication(revision(), [config], [config]));
    const before = snapshot(disk);
    fill(disk);
    expectDisk(await failureOf(store.publish(publication(revision(), [config], [config]))), 'ENOSPC');
    unlinkSync(join(disk, 'filler'));
    expect(snapshot(disk)).toEqual(before);
  });
});
