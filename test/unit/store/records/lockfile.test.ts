import { expect, test } from 'vitest';
import { type Lockfile, lockText, parseLocks } from '../../../../src/store/records/lockfile.ts';

const lock = (changes: Partial<Lockfile> = {}): Lockfile => ({
  version: 1,
  endpoint: 'https://hub.example',
  repo: { type: 'model', id: 'owner/name' },
  revision: 'main',
  commit: 'c'.repeat(40),
  files: [
    { path: 'b', size: 2, sha256: 'b'.repeat(64), oid: 'b'.repeat(64) },
    { path: 'a', size: 1, oid: 'a'.repeat(40) },
  ],
  ...changes,
});

test('one repository is the document of a manifest, sorted', () => {
  const text = lockText([lock()]);
  expect(text.endsWith('}\n')).toBe(true);
  expect(Object.keys(JSON.parse(text))).toEqual([
    'version',
    'endpoint',
    'repo',
    'revision',
    'commit',
    'files',
  ]);
  expect(JSON.parse(text).files.map((file: { path: string }) => file.path)).toEqual(['a', 'b']);
  expect(text).toBe(lockText(parseLocks(text)!));
});

test('several keep their order', () => {
  const text = lockText([lock({ revision: 'z' }), lock({ revision: 'a' })]);
  expect(parseLocks(text)?.map(({ revision }) => revision)).toEqual(['z', 'a']);
  expect(text).toBe(lockText(parseLocks(text)!));
});

test.each([
  ['no JSON', '{'],
  ['another document', '{"name":"x"}'],
  ['a newer version', JSON.stringify({ ...lock(), version: 2 })],
  ['no repositories', '{"version":1,"repos":[]}'],
  ['a commit that is none', JSON.stringify(lock({ commit: 'main' }))],
  ['a size that is none', JSON.stringify(lock({ files: [{ path: 'a', size: -1, oid: 'a'.repeat(40) }] }))],
  ['a hash that is none', JSON.stringify(lock({ files: [{ path: 'a', size: 1, oid: 'x' }] }))],
  ['a list in a list', JSON.stringify({ version: 1, repos: [[lock()]] })],
  ['null', 'null'],
])('%s is no lock', (_what, text) => {
  expect(parseLocks(text)).toBeUndefined();
});
