import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pinnedRevision } from '../../../../src/model/repo.ts';
import { type Lockfile, lockText, parseLocks } from '../../../../src/store/records/lockfile.ts';
import { readManifest, writeManifest } from '../../../../src/store/records/manifest.ts';
import { Flush } from '../../../../src/system/disk/flush.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

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

test('a registry is named by its source and pinned by a digest', () => {
  const repo = { type: 'model', source: 'ollama', id: 'registry.ollama.ai/library/mixtral' } as const;
  const text = lockText([lock({ repo, commit: `sha256:${'d'.repeat(64)}` })]);
  expect(Object.keys(JSON.parse(text).repo)).toEqual(['type', 'source', 'id']);
  expect(parseLocks(text)).toEqual([JSON.parse(text)]);
});

test('what an entry says of Xet storage is kept', async () => {
  const [sha256, xet] = ['a'.repeat(64), 'b'.repeat(64)];
  const files = [
    { path: 'a', size: 1, sha256, oid: sha256, xet },
    { path: 'b', size: 1, sha256, oid: sha256 },
  ];
  expect(parseLocks(lockText([lock({ files })]))).toEqual([lock({ files })]);
  const path = join(temporaryDirectory(), 'manifest.json');
  const revision = pinnedRevision(lock().repo, 'main', lock().commit);
  await writeManifest(path, { revision, endpoint: 'https://hub.example', files }, new Flush());
  expect(readManifest(path)?.files).toEqual(files);
});

test('a manifest is a lockfile that knows every sha256', async () => {
  const path = join(temporaryDirectory(), 'manifest.json');
  const read = async (text: string) => {
    await writeFile(path, text);
    return readManifest(path);
  };
  const [sha256, other] = ['a'.repeat(64), 'b'.repeat(64)];
  const whole = lock({ files: [{ path: 'a', size: 1, sha256, oid: 'c'.repeat(40) }] });
  expect(await read(lockText([whole]))).toEqual(whole);
  expect(await read(lockText([lock()]))).toBeUndefined();
  expect(await read(lockText([whole, whole]))).toBeUndefined();
  const revision = { ...pinnedRevision(whole.repo, whole.revision, whole.commit), gated: true };
  const files = [{ path: 'a', size: 1, sha256: other, oid: 'c'.repeat(40) }];
  await writeManifest(path, { revision, endpoint: whole.endpoint, files }, new Flush());
  expect(readManifest(path)).toEqual({ ...whole, files });
});

test.each([
  ['no JSON', '{'],
  ['another document', '{"name":"x"}'],
  ['a newer version', JSON.stringify({ ...lock(), version: 2 })],
  ['no repositories', '{"version":1,"repos":[]}'],
  ['a source that is none', JSON.stringify({ ...lock(), repo: { ...lock().repo, source: 1 } })],
  ['a commit that is none', JSON.stringify(lock({ commit: 'main' }))],
  ['a size that is none', JSON.stringify(lock({ files: [{ path: 'a', size: -1, oid: 'a'.repeat(40) }] }))],
  ['a hash that is none', JSON.stringify(lock({ files: [{ path: 'a', size: 1, oid: 'x' }] }))],
  [
    'an Xet hash that is none',
    JSON.stringify(lock({ files: [{ path: 'a', size: 1, oid: 'a'.repeat(40), xet: '../x' }] })),
  ],
  ['a list in a list', JSON.stringify({ version: 1, repos: [[lock()]] })],
  ['null', 'null'],
])('%s is no lock', (_what, text) => {
  expect(parseLocks(text)).toBeUndefined();
});
