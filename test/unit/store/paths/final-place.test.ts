import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FinalPlace } from '../../../../src/store/paths/final-place.ts';
import { probeFolding } from '../../../../src/store/paths/name-folding.ts';
import { checkNames, mayFallTogether } from '../../../../src/store/paths/safe-path.ts';
import { Flush } from '../../../../src/system/disk/flush.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import { hubCacheStore } from '../../../support/hub-cache-store.ts';
import {
  bring,
  bytes,
  COMMIT_A,
  failureOf,
  gitFile,
  lfsFile,
  MIB,
  publication,
  revision,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const content = bytes(1000);

describe('a directory that a link takes the place of during the run', () => {
  test.each(['ssh/authorized_keys', 'a/b/c/deep', 'a/b/new/directory'])(
    'keeps %s inside, whichever directory it is',
    async (path) => {
      const parts = path.split('/').slice(0, -1);
      for (let depth = 1; depth <= parts.length; depth += 1) {
        const [directory, victim] = [temporaryDirectory(), temporaryDirectory()];
        await using store = directoryStore({ directory });
        await store.open();
        const first = join(directory, ...parts.slice(0, depth));
        mkdirSync(dirname(first), { recursive: true });
        symlinkSync(victim, first);
        const error = await failureOf(bring(store, gitFile(path, content), content));
        expect(error).toMatchObject({ code: 'DISK', message: expect.stringContaining(first) });
        expect(readNames(victim)).toEqual([]);
      }
    },
  );

  test('is noticed after files have been put there', async () => {
    const [directory, victim] = [temporaryDirectory(), temporaryDirectory()];
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, gitFile('sub/one', content), content);
    renameSync(join(directory, 'sub'), join(directory, 'moved'));
    symlinkSync(victim, join(directory, 'sub'));
    expect((await failureOf(bring(store, gitFile('sub/two', content), content))).code).toBe('DISK');
    expect(readNames(victim)).toEqual([]);
  });

  test('is noticed where our own records go', async () => {
    const [directory, victim] = [temporaryDirectory(), temporaryDirectory()];
    const one = gitFile('one', content);
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, one, content);
    renameSync(join(directory, '.cache/huggingface'), join(directory, 'moved'));
    symlinkSync(victim, join(directory, '.cache/huggingface'));
    expect((await failureOf(store.publish(publication(revision(), [one], [one])))).code).toBe('DISK');
    expect(readNames(victim)).toEqual([]);
  });

  test('is noticed in a cache as well', async () => {
    const [cache, victim] = [temporaryDirectory(), temporaryDirectory()];
    await using store = hubCacheStore({ directory: cache });
    await store.open();
    symlinkSync(victim, join(cache, 'models--owner--name/snapshots', COMMIT_A, 'sub'));
    expect((await failureOf(bring(store, gitFile('sub/one', content), content))).code).toBe('DISK');
    expect(readNames(victim)).toEqual([]);
  });

  test('a directory that is itself reached through a link is none', async () => {
    const [real, links] = [temporaryDirectory(), temporaryDirectory()];
    const directory = join(links, 'model');
    symlinkSync(real, directory);
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, gitFile('sub/one', content), content);
    expect(readFileSync(join(real, 'sub/one')).equals(content)).toBe(true);
  });

  test('directories are made as deep as they are needed', async () => {
    const root = temporaryDirectory();
    writeFileSync(join(root, 'from'), 'x');
    const place = new FinalPlace(root);
    await place.move(join(root, 'from'), join(root, 'a/b/c'));
    await place.makeDurable(new Flush());
    expect(readFileSync(join(root, 'a/b/c'), 'utf8')).toBe('x');
  });
});

function readNames(place: string): string[] {
  return existsSync(place) ? readdirSync(place) : [];
}

describe('what is written down at the end was looked at once more', () => {
  const [one, two] = [gitFile('one', content), gitFile('sub/two', bytes(1000, 2))];

  async function publishAfter(
    spoil: (directory: string) => void,
  ): Promise<{ directory: string; code: string }> {
    const directory = temporaryDirectory();
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, one, content);
    await bring(store, two, bytes(1000, 2));
    spoil(directory);
    const { code } = await failureOf(store.publish(publication(revision(), [one, two], [one, two])));
    return { directory, code };
  }

  test.each<[string, (directory: string) => void]>([
    ['removed', (directory) => unlinkSync(join(directory, 'one'))],
    ['cut short', (directory) => truncateSync(join(directory, 'one'), 5)],
    [
      'a directory by now',
      (directory) => {
        unlinkSync(join(directory, 'one'));
        mkdirSync(join(directory, 'one'));
      },
    ],
    [
      'one file under two names',
      (directory) => {
        unlinkSync(join(directory, 'one'));
        linkSync(join(directory, 'sub/two'), join(directory, 'one'));
      },
    ],
    ['without its directory', (directory) => rmSync(join(directory, 'sub'), { recursive: true })],
  ])('a file that is %s is an error, and no manifest speaks of it', async (_, spoil) => {
    const { directory, code } = await publishAfter(spoil);
    expect(code).toBe('DISK');
    expect(existsSync(join(directory, '.cache/fetch/manifest.json'))).toBe(false);
  });

  test('files of one content that are hard links to each other are right', async () => {
    const directory = temporaryDirectory();
    await using store = directoryStore({ directory });
    await store.open();
    const same = gitFile('same', content);
    await bring(store, one, content);
    await bring(store, same, content);
    unlinkSync(join(directory, 'same'));
    linkSync(join(directory, 'one'), join(directory, 'same'));
    await store.publish(publication(revision(), [one, same], [one, same]));
  });
});

test('a part with a second name is not written to', async () => {
  const directory = temporaryDirectory();
  const large = bytes(2 * MIB);
  const file = lfsFile('model.bin', large);
  const first = directoryStore({ directory });
  await first.open();
  const staged = await first.stage(file);
  writeSync(staged.descriptor, large, 0, MIB, 0);
  staged.wrote({ start: 0, end: MIB });
  await staged[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  const part = staged.partPath.replace(/\.[^.]+\.part$/, '.part');
  const theirs = join(temporaryDirectory(), 'theirs');
  linkSync(part, theirs);
  const before = readFileSync(theirs);
  await using second = directoryStore({ directory });
  await second.open();
  await bring(second, file, large);
  expect(readFileSync(theirs).equals(before)).toBe(true);
});

describe('names that may fall together', () => {
  test.each([
    [['README.md', 'readme.md'], true],
    [['Model/a', 'model/b'], true],
    [['caf\u00e9', 'cafe\u0301'], true],
    [['a', 'b/a'], false],
  ])('%j: %s', (paths, expected) => {
    expect(mayFallTogether(paths)).toBe(expected);
  });

  test('are refused by what the file system does with them', () => {
    const paths = ['caf\u00e9', 'cafe\u0301', 'README', 'readme'];
    const refused = (folding: { caseInsensitive: boolean; normalises?: boolean }) =>
      checkNames(paths, 'posix', folding).map(({ path }) => path);
    expect(refused({ caseInsensitive: false })).toEqual([]);
    expect(refused({ caseInsensitive: false, normalises: true })).toEqual(['cafe\u0301']);
    expect(refused({ caseInsensitive: true })).toEqual(['cafe\u0301', 'readme']);
  });

  test('are tried out, and nothing stays of that', () => {
    const place = temporaryDirectory();
    const found = probeFolding(place);
    if (process.platform === 'linux') expect(found).toEqual({ case: false, unicode: false });
    expect(readNames(place)).toEqual([]);
  });
});
