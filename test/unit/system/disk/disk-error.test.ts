import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../../src/model/error.ts';
import { diskError, onDisk, onDiskSync } from '../../../../src/system/disk/disk-error.ts';
import { failureOf } from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a failure of the disk', () => {
  test('bears the path, what it means, a hint and its cause', async () => {
    const directory = temporaryDirectory();
    const error = await failureOf(onDisk(directory, () => writeFileSync(directory, 'x')));
    expect(error).toMatchObject({ code: 'DISK', side: 'store', retryable: false });
    expect(error.message).toBe(`${directory}: a directory stands where a file must be`);
    expect(error.hint).toContain('--local-dir');
    expect(error.cause).toMatchObject({ code: 'EISDIR' });
  });

  test.each([
    ['ENOENT', (directory: string) => readFileSync(join(directory, 'none'))],
    ['ENOTDIR', (directory: string) => writeFileSync(join(directory, 'file', 'x'), '')],
    ['EEXIST', (directory: string) => mkdirSync(join(directory, 'file'))],
    ['ELOOP', (directory: string) => readFileSync(join(directory, 'loop'))],
    ['ENAMETOOLONG', (directory: string) => writeFileSync(join(directory, 'x'.repeat(256)), '')],
    ['ENAMETOOLONG', (directory: string) => writeFileSync(join(directory, 'x/'.repeat(2100), 'x'), '')],
  ])('%s, made by the system itself, is known', async (code, work) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), '');
    symlinkSync('loop', join(directory, 'loop'));
    const error = await failureOf(() => onDiskSync(directory, () => work(directory)));
    expect(error).toMatchObject({ code: 'DISK', cause: { code } });
    expect(error.hint).toBeDefined();
    expect(error.message).not.toContain(code);
  });

  test('a file beyond the limit of the file system is named', async (context) => {
    const path = join(temporaryDirectory(), 'file');
    const descriptor = openSync(path, 'w');
    const thrown = thrownBy(() => writeSync(descriptor, 'x', Number.MAX_SAFE_INTEGER - 4096));
    closeSync(descriptor);
    if (thrown === undefined) context.skip('this file system takes files of 8 PiB');
    expect(diskError(thrown, path)).toMatchObject({
      code: 'DISK',
      message: `${path}: the file is too large for this file system or for the limit of this process`,
      cause: { code: 'EFBIG' },
    });
  });

  test.each(['UNKNOWN', `Unknown system error -${constants.errno.EDQUOT}`])(
    'what Node has no name for is known by its number: %s',
    (code) => {
      const error = Object.assign(new Error(code), { code, errno: -constants.errno.EDQUOT });
      expect(diskError(error, '/x')).toMatchObject({
        code: 'DISK',
        message: '/x: the disk quota is used up',
      });
    },
  );

  test('an unknown code is shown as the system says it', () => {
    const error = Object.assign(new Error('EWEIRD: most unusual, write'), { code: 'EWEIRD' });
    expect(diskError(error, '/x')).toMatchObject({
      code: 'DISK',
      message: '/x: EWEIRD: most unusual, write',
      hint: expect.stringContaining('--local-dir'),
    });
  });

  test.each([
    new FetchError('LOCKED', 'held'),
    new TypeError('x'),
    Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
    Object.assign(new Error('x'), { code: 20 }),
    new DOMException('stop', 'AbortError'),
    'text',
    null,
    undefined,
  ])('%s is none', (thrown) => {
    expect(diskError(thrown, '/x')).toBe(thrown);
  });
});
