import { expect, test } from 'vitest';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { lockDrift, selectionDrift } from '../../../src/plan/lock-drift.ts';

const file = (path: string, size = 1, hex = 'a'.repeat(64)): RemoteFile => ({
  path,
  size,
  digest: { algorithm: hex.length === 64 ? 'sha256' : 'git-sha1', hex },
});

test('what is the same, and what the lock does not name, is no drift', () => {
  expect(lockDrift([file('a')], [file('a'), file('b')])).toEqual([]);
});

test('a file that is gone, another size, another hash', () => {
  const listing = [file('size', 2), file('hash', 1, 'b'.repeat(64))];
  expect(lockDrift([file('gone'), file('size'), file('hash')], listing)).toEqual([
    'gone is gone upstream',
    'size has 2 bytes upstream instead of 1',
    'hash has the hash bbbbbbbbbbbb… upstream instead of aaaaaaaaaaaa…',
  ]);
});

test('hashes of different kinds, or none, cannot be compared', () => {
  expect(lockDrift([file('a')], [{ ...file('a'), digest: undefined }])).toEqual([]);
  expect(lockDrift([file('a')], [file('a', 1, 'b'.repeat(40))])).toEqual([]);
});

test('the sha256 that a lock names beside the git blob is compared as well', () => {
  const locked = { ...file('a', 1, 'b'.repeat(40)), sha256: 'a'.repeat(64) };
  expect(lockDrift([locked], [file('a', 1, 'b'.repeat(40))])).toEqual([]);
  expect(lockDrift([locked], [file('a')])).toEqual([]);
  expect(lockDrift([locked], [file('a', 1, 'c'.repeat(64))])).toEqual([
    'a has the hash cccccccccccc… upstream instead of aaaaaaaaaaaa…',
  ]);
});

test('a selection of something else', () => {
  expect(selectionDrift([file('a'), file('b')], [file('b'), file('c')])).toEqual([
    'a is locked, but not asked for',
    'c is asked for, but not locked',
  ]);
});
