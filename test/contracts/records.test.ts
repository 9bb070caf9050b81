import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Revision } from '../../src/model/repo.ts';
import { openRecords } from '../../src/store/open-store.ts';
import type { Records } from '../../src/store/records/records.ts';
import type { Store } from '../../src/store/store.ts';
import { directoryStore } from '../support/directory-store.ts';
import { hubCacheStore } from '../support/hub-cache-store.ts';
import { bring, COMMIT_A, COMMIT_B, gitFile, lfsFile, publication, revision } from '../support/store-kit.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { repo } = revision();
const config = Buffer.from('{}');
const weights = Buffer.from('weights');
const listing = [gitFile('config.json', config), lfsFile('model-Q4_K_M.gguf', weights)];

interface Layout {
  readonly store: (directory: string, of: Revision) => Store;
  readonly records: (directory: string) => Records;
}

const LAYOUTS: readonly (readonly [name: string, layout: Layout])[] = [
  [
    'a directory',
    {
      store: (directory, of) => directoryStore({ directory, revision: of }),
      records: (directory) => openRecords({ directory, repo }),
    },
  ],
  [
    'a central cache',
    {
      store: (directory, of) => hubCacheStore({ directory, revision: of }),
      records: (directory) => openRecords({ directory, repo, cache: { links: true } }),
    },
  ],
];

/** What every layout says of its records: what a finished run has brought, and nothing else. */
describe.each(LAYOUTS)('%s', (name, { store, records }) => {
  const finished = async (of: Revision, isWhole = true) => {
    const directory = temporaryDirectory();
    await using open = store(directory, of);
    await open.open();
    await bring(open, listing[0]!, config);
    const brought = publication(of, [listing[0]!], listing);
    await open.publish({ ...brought, listing: { files: listing, complete: isWhole } });
    return records(directory);
  };
  /** In the order of their names, without what only the Hub says of them. */
  const filesOf = (found: Records, commit: string) =>
    found.listing(commit).files.map(({ path, size, digest }) => ({ path, size, digest }));

  test('has nothing on record before the first run, and looking makes nothing', () => {
    const directory = join(temporaryDirectory(), 'missing');
    const found = records(directory);
    expect(found.manifest(COMMIT_A)).toBeUndefined();
    expect(found.listing(COMMIT_A)).toEqual({ files: [], complete: false });
    expect(found.owner()).toBeUndefined();
    expect(found.find({ repo, revision: 'main' })).toEqual({ missing: expect.stringContaining(directory) });
    expect(() => mkdirSync(directory)).not.toThrow();
  });

  test('knows the manifest of its commit, and of no other', async () => {
    const found = await finished(revision());
    expect(found.manifest(COMMIT_A)).toMatchObject({ commit: COMMIT_A, revision: 'main', repo });
    expect(found.manifest(COMMIT_A)?.files.map(({ path }) => path)).toEqual(['config.json']);
    expect(found.manifest(COMMIT_B)).toBeUndefined();
    expect(found.listing(COMMIT_B)).toEqual({ files: [], complete: false });
  });

  test('lists what was brought where the listing of the run was not whole', async () => {
    const found = await finished(revision(), false);
    expect(found.listing(COMMIT_A).complete).toBe(false);
    expect(filesOf(found, COMMIT_A)).toEqual([listing[0]]);
  });

  test.each([
    ['its name', 'main'],
    ['its commit', COMMIT_A],
    ['the beginning of its commit', COMMIT_A.slice(0, 7)],
  ])('finds a revision by %s', async (_, asked) => {
    const found = await finished(revision());
    expect(found.find({ repo, revision: asked })).toMatchObject({
      revision: { id: COMMIT_A, repo },
      isQuantisation: false,
    });
  });

  test.each([
    ['another name', 'dev'],
    ['another commit', COMMIT_B],
    ['too little of a commit', COMMIT_A.slice(0, 6)],
    ['a quantisation, written as a branch', 'Q4_K_M'],
    ['a name that leads elsewhere', 'a/../../b'],
  ])('does not find %s', async (_, asked) => {
    const found = await finished(revision());
    if (name === 'a central cache' && asked.includes('..')) {
      expect(() => found.find({ repo, revision: asked })).toThrow('contains the part');
      return;
    }
    expect(found.find({ repo, revision: asked })).toEqual({ missing: expect.any(String) });
  });

  test('is asked for by the name that others look for', async () => {
    const found = await finished(revision());
    expect(found.isNamed(revision())).toBe(true);
    expect(found.isNamed(revision(COMMIT_A, COMMIT_A))).toBe(true);
    expect(found.isNamed(revision(COMMIT_A, 'tag'))).toBe(name === 'a directory');
  });

  test('is marked by a claim only as long as nothing else says whose it is', async () => {
    const found = await finished(revision());
    const before = found.owner()?.commit;
    {
      await using mark = await found.claim(revision(COMMIT_B), {
        endpoint: 'https://hub.example',
        node: '0'.repeat(16),
        files: [],
      });
      mark.keep();
    }
    // The manifest comes first.
    expect(found.owner()?.commit).toBe(before);
  });
});
