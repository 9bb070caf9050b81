import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findLocalCopies, type LocalCopyRoots } from '../../../src/store/local-copies.ts';
import { directoryStore } from '../../support/directory-store.ts';
import { hubCacheStore } from '../../support/hub-cache-store.ts';
import { bytes, finishRun, lfsFile, MIB, never, revision, write } from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const content = bytes(MIB);
const model = lfsFile('model.bin', content);
const { repo } = revision();

async function copiesOf(roots: Partial<LocalCopyRoots>): Promise<string[]> {
  const directory = join(temporaryDirectory(), 'target');
  const all = { directory, repo, named: [], siblings: false, hubCache: undefined, ...roots };
  return [...(await findLocalCopies(all, [model], never)).values()];
}

test('a directory that was named counts, whatever repository it holds', async () => {
  const directory = temporaryDirectory();
  await finishRun(directoryStore({ directory }), [[model, content]]);
  const found = [join(directory, 'model.bin')];
  expect(await copiesOf({ named: [directory], repo: { ...repo, id: 'owner/other' } })).toEqual(found);
});

test('a directory beside the target counts only if it holds the same repository', async () => {
  const parent = temporaryDirectory();
  const [beside, directory] = [join(parent, 'beside'), join(parent, 'target')];
  await finishRun(directoryStore({ directory: beside }), [[model, content]]);
  await finishRun(directoryStore({ directory }), [[model, content]]);
  // Never the target itself.
  expect(await copiesOf({ directory, siblings: true })).toEqual([join(beside, 'model.bin')]);
  expect(await copiesOf({ directory, siblings: true, repo: { ...repo, id: 'owner/other' } })).toEqual([]);
  expect(await copiesOf({ directory, siblings: true, repo: { ...repo, source: 'oci' } })).toEqual([]);
});

test('the central cache counts', async () => {
  const hubCache = temporaryDirectory();
  await finishRun(hubCacheStore({ directory: hubCache }), [[model, content]]);
  const blob = join(hubCache, 'models--owner--name/blobs', model.digest!.hex);
  expect(await copiesOf({ hubCache })).toEqual([blob]);
});

test('a repository that no directory of the cache can be named after has no copies there', async () => {
  const hubCache = temporaryDirectory();
  for (const id of ['a\\b', 'a\nb', 'x'.repeat(300)]) {
    const name = `models--${id}`;
    if (name.length < 255) {
      mkdirSync(join(hubCache, name, 'blobs'), { recursive: true });
      writeFileSync(join(hubCache, name, 'blobs', model.digest!.hex), content);
    }
    expect(await copiesOf({ hubCache, repo: { type: 'model', id } })).toEqual([]);
  }
});

test('an unfinished file is no copy', async () => {
  const directory = temporaryDirectory();
  await using store = directoryStore({ directory });
  await store.open();
  await using staged = await store.stage(model);
  await write(staged, content, 0, MIB / 2);
  expect(await copiesOf({ named: [directory] })).toEqual([]);
});
