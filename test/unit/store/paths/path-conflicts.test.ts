import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { findPathConflicts, ignoresCase } from '../../../../src/store/paths/path-conflicts.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import { failureOf, named, snapshot } from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

let around: string;
let directory: string;
let outside: string;
beforeEach(() => {
  around = temporaryDirectory();
  directory = join(around, 'target');
  outside = join(around, 'outside');
  mkdirSync(directory);
  mkdirSync(outside);
});

/** What a store says about these names, with the certainty that it only looked. */
async function refusal(...paths: string[]): Promise<string> {
  const before = snapshot(around);
  const error = await failureOf(directoryStore({ directory }).refuseNames(paths.map(named)));
  expect(snapshot(around)).toEqual(before);
  expect(error.code).toBe('DISK');
  expect(error.hint).toBeDefined();
  return error.message;
}

describe('a link where a directory must be', () => {
  test.each([
    ['leads out', () => outside],
    ['leads out by a relative way', () => '../outside'],
    ['leads nowhere', () => join(around, 'none')],
    ['leads in a circle', () => 'sub'],
    ['stays inside', () => 'other'],
    ['leads into .git', () => '.git/hooks'],
    ['leads into our records', () => '.cache/fetch'],
  ])('is refused if it %s', async (_, target) => {
    for (const root of ['other', '.git/hooks', '.cache/fetch']) {
      mkdirSync(join(directory, root), { recursive: true });
    }
    symlinkSync(target(), join(directory, 'sub'));
    expect(await refusal('fine', 'sub/x', 'sub/deeper/y')).toMatch(
      /^2 names .*"sub\/x" \(a link stands in the way\), "sub\/deeper\/y"/,
    );
  });

  test.each(['.cache', '.cache/fetch', '.cache/fetch/parts', '.cache/huggingface/download'])(
    'is refused in place of %s',
    async (root) => {
      mkdirSync(dirname(join(directory, root)), { recursive: true });
      symlinkSync(outside, join(directory, root));
      expect(await refusal('x')).toContain('a link stands in the way');
    },
  );

  test('is fine above the directory, and as the directory itself', async () => {
    const link = join(around, 'link');
    symlinkSync(directory, link);
    mkdirSync(join(directory, 'sub'));
    await directoryStore({ directory: link }).refuseNames([named('sub/x')]);
    await directoryStore({ directory: join(link, 'sub') }).refuseNames([named('x')]);
  });
});

describe('in the way', () => {
  test('is a file where a directory must be', async () => {
    writeFileSync(join(directory, 'sub'), '');
    expect(await refusal('sub/deep/x')).toContain('a file stands where a directory must be');
  });

  test('is a directory where a file must be', async () => {
    mkdirSync(join(directory, 'x'));
    expect(await refusal('x')).toContain('a directory stands where this file must go');
  });

  test('is a file in place of .cache', async () => {
    writeFileSync(join(directory, '.cache'), '');
    expect(await refusal('x')).toContain('a file stands where a directory must be');
  });

  test('is a file in place of the directory, or above it', async () => {
    writeFileSync(join(around, 'file'), '');
    for (directory of [join(around, 'file'), join(around, 'file', 'deeper')]) {
      expect(await refusal('x')).toContain('a file stands where a directory must be');
    }
  });

  test('is a directory whose path leaves no room for the names', async () => {
    directory = join(around, ...Array.from({ length: 10 }, () => 'x'.repeat(200)));
    mkdirSync(directory, { recursive: true });
    const long = Array.from({ length: 14 }, () => 'y'.repeat(200)).join('/');
    expect(await refusal(long)).toContain('the name is too long');
  });

  test('is neither a file nor a link to one: they are replaced', async () => {
    writeFileSync(join(directory, 'x'), '');
    symlinkSync(outside, join(directory, 'y'));
    await directoryStore({ directory }).refuseNames([named('x'), named('y')]);
  });

  test('nothing is if there is no directory', () => {
    expect(findPathConflicts(join(around, 'none'), ['x'], ['.cache'])).toEqual([]);
  });
});

describe('whether names ignore case', () => {
  test('is found out by looking', () => {
    const here = statSync(join(around, '..', basename(around).toUpperCase()), { throwIfNoEntry: false });
    for (const path of [directory, join(directory, 'a', 'b')]) {
      expect(ignoresCase(path, here === undefined)).toBe(here !== undefined);
    }
  });

  test('is not told by a link that bears the other spelling', () => {
    symlinkSync('target', join(around, 'TARGET'));
    expect(ignoresCase(directory, false)).toBe(false);
  });

  test('is not told by names without letters, nor by another file system', () => {
    mkdirSync(join(around, '1', '2'), { recursive: true });
    expect(ignoresCase(join(around, '1', '2'), false)).toBe(ignoresCase(around, false));
    expect(ignoresCase('/', true)).toBe(true);
    if (statSync('/proc', { throwIfNoEntry: false })?.dev !== statSync('/').dev) {
      expect(ignoresCase('/proc', true)).toBe(true);
    }
  });
});
