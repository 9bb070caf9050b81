import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import { diskError, onDisk } from '../../../src/system/disk-error.ts';

function failed(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: it failed`), { code });
}

describe('diskError', () => {
  test.each([
    'ENOSPC',
    'EDQUOT',
    'EFBIG',
    'EACCES',
    'EPERM',
    'EROFS',
    'ENOTDIR',
    'EISDIR',
    'EEXIST',
    'EMFILE',
  ])('names %s, with a hint', (code) => {
    const cause = failed(code);
    const error = diskError(cause, 'a/b.bin') as FetchError;
    expect(error).toMatchObject({ code: 'DISK', side: 'store', retryable: false, cause });
    expect(error.message).toMatch(/^a\/b\.bin: /);
    expect(error.message).not.toContain(code);
    expect(error.hint).toBeTruthy();
  });

  test('keeps the words of the system for what it does not know', () => {
    const descriptor = openSync('/dev/null', 'w');
    closeSync(descriptor);
    let thrown: unknown;
    try {
      writeSync(descriptor, 'x');
    } catch (error) {
      thrown = error;
    }
    expect(diskError(thrown, 'x')).toMatchObject({ code: 'DISK', message: expect.stringContaining('EBADF') });
  });

  test.each([
    [new FetchError('NETWORK', 'no')],
    [new TypeError('bug')],
    [Object.assign(new Error('bad argument'), { code: 'ERR_INVALID_ARG_TYPE' })],
    ['text'],
    [null],
    [undefined],
  ])('leaves %s alone', (thrown) => {
    expect(diskError(thrown, 'x')).toBe(thrown);
  });
});

test('onDisk passes results on and names failures', async () => {
  expect(await onDisk('x', () => 3)).toBe(3);
  expect(await onDisk('x', async () => 4)).toBe(4);
  await expect(onDisk('x', () => Promise.reject(failed('ENOSPC')))).rejects.toMatchObject({ code: 'DISK' });
});
