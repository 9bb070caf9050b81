import {
  appendFileSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import type { Revision } from '../../src/model/repo.ts';
import type { ContentIndex } from '../../src/store/content-index.ts';
import { openRecords } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { directoryStore } from '../support/directory-store.ts';
import { hubCacheStore } from '../support/hub-cache-store.ts';
import {
  bring,
  bytes,
  finishRun,
  gitFile,
  lfsFile,
  MIB,
  revision,
  unhashedFile,
  write,
} from '../support/store-kit.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { repo } = revision();
const content = bytes(MIB, 3);
const small = Buffer.from('{"a":1}');
const model = lfsFile('deep/model.bin', content);
const config = gitFile('config.json', small);

interface Layout {
  readonly store: (directory: string, of?: Revision) => Store;
  readonly index: (directory: string) => ContentIndex;
}

const inCache = (links: boolean): Layout => ({
  store: (directory, of = revision()) => hubCacheStore({ directory, revision: of, links }),
  index: (directory) => openRecords({ directory, repo, cache: { links } }).contents(),
});

const LAYOUTS: readonly (readonly [name: string, layout: Layout])[] = [
  [
    'a directory',
    {
      store: (directory, of = revision()) => directoryStore({ directory, revision: of }),
      index: (directory) => openRecords({ directory, repo }).contents(),
    },
  ],
  ['a central cache', inCache(true)],
  ['a central cache without links', inCache(false)],
];

/** What every index promises: what it calls verified is the content, and what it names has the bytes. */
describe.each(LAYOUTS)('the contents of %s', (_, { store, index }) => {
  const filled = async () => {
    const directory = temporaryDirectory();
    await finishRun(store(directory), [
      [model, content],
      [config, small],
    ]);
    return directory;
  };
  const only = (found: ReturnType<ContentIndex['find']>) => {
    expect(found).toHaveLength(1);
    return found[0]!;
  };
  /** Where the index says that the content of a file is. */
  const pathOf = (directory: string, file: RemoteFile) => only(index(directory).find(file)).path;

  test.each<[string, RemoteFile, Buffer]>([
    ['a sha256', model, content],
    ['the id of a git blob', config, small],
  ])('are found by %s, and verified', async (__, file, expected) => {
    const { path, ranges, verified } = only(index(await filled()).find(file));
    expect(readFileSync(path).equals(expected)).toBe(true);
    expect(ranges).toEqual([{ start: 0, end: file.size }]);
    expect(verified).toBe(true);
  });

  test('are found under whatever name they are asked for', async () => {
    const directory = await filled();
    const renamed = { ...model, path: 'other/name.bin' };
    expect(only(index(directory).find(renamed)).verified).toBe(true);
    // Another source may name a small file by its sha256.
    expect(only(index(directory).find(lfsFile('blob', small))).verified).toBe(true);
  });

  test('are empty for what is not here, for nothing, and for a file without a digest', async () => {
    const found = index(await filled());
    expect(found.find(lfsFile('deep/model.bin', bytes(MIB, 4)))).toEqual([]);
    expect(found.find({ ...model, size: MIB + 1 })).toEqual([]);
    expect(found.find(lfsFile('empty', Buffer.alloc(0)))).toEqual([]);
    expect(found.find(unhashedFile('config.json', small))).toEqual([]);
  });

  test('are looked for without a trace where nothing is', () => {
    const directory = join(temporaryDirectory(), 'missing');
    expect(index(directory).find(model)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  test.each<[string, (path: string) => void]>([
    ['was written again', (path) => writeFileSync(path, bytes(MIB, 5))],
    ['was touched', (path) => utimesSync(path, 1, 1)],
    [
      'was replaced by a copy',
      (path) => {
        copyFileSync(path, `${path}.copy`);
        renameSync(`${path}.copy`, path);
      },
    ],
  ])('are not verified once the file %s', async (__, change) => {
    const directory = await filled();
    change(pathOf(directory, model));
    expect(
      index(directory)
        .find(model)
        .filter(({ verified }) => verified),
    ).toEqual([]);
  });

  test.each<[string, (path: string) => void]>([
    ['is gone', (path) => unlinkSync(path)],
    ['is shorter', (path) => truncateSync(path, 10)],
    ['is longer', (path) => appendFileSync(path, 'x')],
    [
      'is a link in a circle',
      (path) => {
        rmSync(path);
        symlinkSync(path, path);
      },
    ],
  ])('are not here once the file %s', async (__, change) => {
    const directory = await filled();
    change(pathOf(directory, model));
    expect(index(directory).find(model)).toEqual([]);
  });

  test('have the files of a run that has not ended', async () => {
    const directory = temporaryDirectory();
    await using open = store(directory);
    await open.open();
    await bring(open, model, content);
    const { path } = only(index(directory).find(model));
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  test('have the written ranges of unfinished files, which are not verified', async () => {
    const directory = temporaryDirectory();
    await using open = store(directory);
    await open.open();
    await using staged = await open.stage(model);
    await write(staged, content, 0, MIB / 2);
    await write(staged, content, (3 * MIB) / 4, MIB);
    const { path, ranges, verified } = only(index(directory).find({ ...model, path: 'asked/so' }));
    expect(verified).toBe(false);
    expect(ranges).toEqual([
      { start: 0, end: MIB / 2 },
      { start: (3 * MIB) / 4, end: MIB },
    ]);
    const here = readFileSync(path);
    for (const { start, end } of ranges)
      expect(here.subarray(start, end).equals(content.subarray(start, end))).toBe(true);
  });

  test('leave out parts that may not be ours, and journals that say nothing', async () => {
    const directory = temporaryDirectory();
    await using open = store(directory);
    await open.open();
    await using staged = await open.stage(model);
    await write(staged, content, 0, MIB / 2);
    const journal = staged.partPath.replace(/part$/, 'blocks');
    const kept = readFileSync(journal);
    for (const text of ['', 'x', '{}\n', 'null\n', `${kept.toString('latin1').slice(0, 20)}`]) {
      writeFileSync(journal, text);
      expect(index(directory).find(model)).toEqual([]);
    }
    writeFileSync(journal, kept);
    linkSync(staged.partPath, join(temporaryDirectory(), 'second'));
    expect(index(directory).find(model)).toEqual([]);
  });
});

test('a directory of hf is known by its own records, which verify nothing', () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'config.json'), small);
  const find = () => openRecords({ directory, repo }).contents().find(config);
  expect(find()).toEqual([]);
  mkdirSync(join(directory, '.cache/huggingface/download'), { recursive: true });
  const record = join(directory, '.cache/huggingface/download/config.json.metadata');
  writeFileSync(record, `${'a'.repeat(40)}\n${config.digest?.hex}\n1700000000.0\n`);
  const path = join(directory, 'config.json');
  expect(find()).toEqual([{ path, ranges: [{ start: 0, end: config.size }], verified: false }]);
});
