import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allowFarWrites, fillsWithZeros } from '../../../../src/system/disk/sparse-file.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const MIB = 1024 * 1024;

test.each([
  ['posix', 100_000 * MIB, false],
  ['win32', 64 * MIB, false],
  ['win32', 64 * MIB + 1, true],
] as const)('%s, %i bytes: %s', (platform, size, expected) => {
  expect(fillsWithZeros(platform, size)).toBe(expected);
});

describe('on Windows', () => {
  test('a large part is made and marked, once and before the first write', async () => {
    const path = join(temporaryDirectory(), 'a b.part');
    const calls: unknown[] = [];
    const run = async (program: string, words: readonly string[]) => {
      calls.push([program, words, statSync(path).size]);
    };
    expect(await allowFarWrites(path, 8000 * MIB, 'win32', run)).toBeUndefined();
    expect(calls).toEqual([['C:\\Windows\\System32\\fsutil.exe', ['sparse', 'setflag', path], 0]]);
  });

  test('a part of an earlier run keeps what it has', async () => {
    const path = join(temporaryDirectory(), 'part');
    writeFileSync(path, 'earlier');
    await allowFarWrites(path, 8000 * MIB, 'win32', async () => {});
    expect(readFileSync(path, 'utf8')).toBe('earlier');
  });

  test('where it cannot be marked, writes stay near', async () => {
    const path = join(temporaryDirectory(), 'part');
    const refuse = async () => {
      throw new Error('FAT32 has no sparse files');
    };
    expect(await allowFarWrites(path, 8000 * MIB, 'win32', refuse)).toBe(256 * MIB);
    // There is no such program here.
    expect(await allowFarWrites(path, 8000 * MIB, 'win32')).toBe(256 * MIB);
  });
});

test('elsewhere nothing is run and nothing is made', async () => {
  const path = join(temporaryDirectory(), 'part');
  const run = async () => {
    throw new Error('must not be called');
  };
  expect(await allowFarWrites(path, 8000 * MIB, 'posix', run)).toBeUndefined();
  expect(existsSync(path)).toBe(false);
});
