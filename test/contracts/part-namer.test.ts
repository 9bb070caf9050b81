import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FetchError } from '../../src/model/error.ts';
import type { Companion, FinishedPart } from '../../src/store/parts/name-part.ts';
import { stampedFile } from '../../src/store/records/stamp.ts';
import { compiled } from '../support/compiled.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

// Compiled, because its worker needs a compiled file beside it.
const from = <Module>(path: string) => import(new URL(path, compiled()).href) as Promise<Module>;
const { PartNamer } =
  await from<typeof import('../../src/store/parts/part-namer.ts')>('store/parts/part-namer.js');
const { FinalPlace } = await from<typeof import('../../src/store/paths/final-place.ts')>(
  'store/paths/final-place.js',
);
const { Flush } = await from<typeof import('../../src/system/disk/flush.ts')>('system/disk/flush.js');

/** A namer in an empty directory, with parts for it. */
function setUp(partsBeforeWorker: number | undefined) {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'parts'));
  const place = new FinalPlace(root);
  const namer = new PartNamer({ root, place, flush: new Flush(), partsBeforeWorker });
  const part = (name: string, companion?: Companion): FinishedPart => {
    const path = join(root, 'parts', name);
    writeFileSync(path, `content of ${name}`);
    const size = `content of ${name}`.length;
    return { part: path, final: join(root, 'sub', name), size, descriptor: openSync(path, 'r+'), companion };
  };
  const closed: boolean[] = [];
  const name = (one: FinishedPart) =>
    namer.name(one, (isClosed) => {
      closed.push(isClosed);
      if (!isClosed) closeSync(one.descriptor);
    });
  return { root, place, namer, part, name, closed };
}

const isOpen = (descriptor: number) => {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
};

test('the first parts are named here, all others by a worker', async () => {
  const { root, place, namer, part, name, closed } = setUp(2);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const parts = names.map((one) => part(one));
  for (const one of parts) {
    expect(await name(one)).toBe(stampedFile(one.final)?.stamp);
    expect(existsSync(one.part)).toBe(false);
    expect(namer.hasWorker).toBe(one.final > join(root, 'sub/b'));
  }
  expect(closed).toEqual([false, false, true, true, true]);
  for (const one of names) expect(readFileSync(join(root, 'sub', one), 'utf8')).toBe(`content of ${one}`);
  // The names that the worker has made are made durable with the others.
  const flushed: string[] = [];
  const flush = new Flush(() => {}, {
    file: async () => {},
    directory: async (path) => void flushed.push(path),
  });
  await place.makeDurable(flush);
  expect(flushed).toContain(join(root, 'sub'));
  await namer[Symbol.asyncDispose]();
});

describe.each([
  ['in this thread', undefined],
  ['in a worker', 0],
])('%s', (_, partsBeforeWorker) => {
  test('what is to stand beside the file is written after it, and replaces what is there', async () => {
    const { root, namer, part, name } = setUp(partsBeforeWorker);
    const path = join(root, '.records/sub/a.metadata');
    const beside = { root, around: '.records/sub', path };
    await name(part('a', { ...beside, text: 'first' }));
    expect(readFileSync(path, 'utf8')).toBe('first');
    await name(part('a', { ...beside, text: 'second' }));
    expect(readFileSync(path, 'utf8')).toBe('second');
    // A name that cannot be is no reason to fail.
    await name(part('b', { ...beside, path: join(path, 'below'), text: 'third' }));
    expect(existsSync(join(root, 'sub/b'))).toBe(true);
    await namer[Symbol.asyncDispose]();
  });

  test('content that cannot be flushed gets no name', async () => {
    const { namer, part, name, closed } = setUp(partsBeforeWorker);
    const one = part('a');
    // No process has so many.
    await expect(name({ ...one, descriptor: 2 ** 30 })).rejects.toMatchObject({ code: 'EBADF' });
    expect(existsSync(one.final)).toBe(false);
    expect(closed).toEqual([]);
    closeSync(one.descriptor);
    await namer[Symbol.asyncDispose]();
  });

  test('another file in the place of the part gets no name', async () => {
    const { root, namer, part, name } = setUp(partsBeforeWorker);
    const one = part('a');
    writeFileSync(join(root, 'other'), 'content of x');
    renameSync(join(root, 'other'), one.part);
    const error = (await name(one).catch((thrown) => thrown)) as FetchError;
    expect(error).toMatchObject({ code: 'DISK', message: `${one.part} was changed by another program` });
    expect(error.hint).toContain('Run the same command again.');
    expect(existsSync(one.final)).toBe(false);
    expect(isOpen(one.descriptor)).toBe(true);
    closeSync(one.descriptor);
    await namer[Symbol.asyncDispose]();
  });

  test('a part of another size gets no name', async () => {
    const { namer, part, name } = setUp(partsBeforeWorker);
    const one = part('a');
    await expect(name({ ...one, size: one.size + 1 })).rejects.toMatchObject({ code: 'DISK' });
    expect(existsSync(one.final)).toBe(false);
    closeSync(one.descriptor);
    await namer[Symbol.asyncDispose]();
  });

  test.skipIf(process.platform === 'win32')('nothing is written through a link', async () => {
    const { root, namer, part, name } = setUp(partsBeforeWorker);
    const outside = temporaryDirectory();
    symlinkSync(outside, join(root, 'sub'));
    await expect(name(part('a'))).rejects.toMatchObject({
      code: 'DISK',
      message: /a link was put in the place/,
    });
    expect(existsSync(join(outside, 'a'))).toBe(false);
    await namer[Symbol.asyncDispose]();
  });

  test('an error of the system keeps its code', async () => {
    const { namer, part, name, closed } = setUp(partsBeforeWorker);
    const one = part('a');
    mkdirSync(one.final, { recursive: true });
    await expect(name(one)).rejects.toMatchObject({ code: /EISDIR|EPERM|ENOTEMPTY|EEXIST/ });
    expect(closed).toHaveLength(1);
    expect(isOpen(one.descriptor)).toBe(false);
    await namer[Symbol.asyncDispose]();
  });
});

test('disposing ends the worker', async () => {
  const { namer, part, name } = setUp(0);
  await name(part('a'));
  await namer[Symbol.asyncDispose]();
  await expect(name(part('b'))).rejects.toMatchObject({ code: 'ABORTED' });
});
