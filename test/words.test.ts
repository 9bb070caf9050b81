import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { oldWords } from './support/old-words.ts';

const root = join(import.meta.dirname, '..');
const ROOMS = ['src', 'test', 'docs', 'scripts', 'examples'];
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'Dockerfile', 'action.yml'];

/** Recorded and printed texts, whose words are those of other programs or of a test of their own. */
const NOT_OURS =
  /^test\/(bench\/results|support\/recordings|program\/expected)\/|\/fixtures\/.*\.md$|\.(json|bin|gguf|html|svg|snap)$/;

/** Where an old word is right. A file may be moved: then its row goes with it. */
const ALLOWED: readonly (readonly [path: RegExp, words: readonly string[]])[] = [
  // A directory of a repository is a folder in messages to people, in an address, and in the public `TargetPath`.
  [
    /^src\/(cli\/options|model|plan|source\/hub)\/(program|usage-error|target|select-files|parse-target|web-address)\.ts$/,
    ['folder', 'folders'],
  ],
  [/^test\/unit\/(model\/target|plan\/select-files)\.test\.ts$/, ['folder']],
  [/^docs\/cli\.md$/, ['folder', 'folders']],
  [
    /^test\/packaging\/smoke\/windows-hub\.mjs$|^test\/unit\/report\/tables\/diagnosis\.test\.ts$/,
    ['folder'],
  ],
  // The user of that name.
  [
    /^test\/(support\/other-user|bench\/nginx|program\/words\.test|support\/protocol\.test)\.ts$|dockerfile\.mjs$/,
    ['nobody', 'somebody'],
  ],
  // HTML.
  [/^test\/support\/registry\//, ['span']],
  // Names of version 0.1.0, and the lists of words.
  [/^(CHANGELOG|CONTRIBUTING)\.md$/, ['folder', 'leftovers', 'LockedFile', 'LockContext', 'LockOwner']],
  [/^test\/(words\.test|support\/old-words)\.ts$/, ['*']],
];

const files = [
  ...PAGES,
  ...ROOMS.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')),
  ),
].filter((path) => !NOT_OURS.test(path));

const allowedIn = (path: string) =>
  ALLOWED.filter(([where]) => where.test(path)).flatMap(([, words]) => words);

test('the files are found', () => {
  expect(files).toContain('src/model/repo.ts');
  expect(files).toContain('docs/cli.md');
});

test('no file has a word that the project has replaced', () => {
  const found = files.flatMap((path) => {
    const allowed = allowedIn(path);
    if (allowed.includes('*')) return [];
    const words = oldWords(readFileSync(join(root, path), 'utf8'), allowed);
    return words.map(({ line, word, instead }) => `${path}:${line}: ${word} (${instead})`);
  });
  expect(found).toEqual([]);
});

test.each(ALLOWED)('the exception for %s is still needed', (where, words) => {
  const paths = files.filter((path) => where.test(path));
  expect(paths).not.toEqual([]);
  if (words.includes('*')) return;
  const used = new Set(
    paths.flatMap((path) => oldWords(readFileSync(join(root, path), 'utf8')).map(({ word }) => word)),
  );
  expect(words.filter((word) => !used.has(word))).toEqual([]);
});

describe('the check', () => {
  const wordsOf = (text: string, allowed?: string[]) =>
    oldWords(text, allowed).map(({ line, word }) => `${line}: ${word}`);

  test('sees a word in a comment, in a name and in a constant, with its line', () => {
    expect(wordsOf('// a\n// Nobody waits for the folder.')).toEqual(['2: nobody', '2: folder']);
    expect(wordsOf('const laneState = spansOf(LARGE_LANES);')).toEqual(['1: lane', '1: spans', '1: lanes']);
    expect(wordsOf('const MOST_FILES = 8;')).toEqual(['1: MOST_FILES']);
    expect(wordsOf('new RawTransport()')).toEqual(['1: RawTransport']);
  });

  test('leaves words alone that only look like one, and those that are allowed', () => {
    expect(wordsOf('const planet = expand(wingspan, MAX_FILES); // spanning, patiently')).toEqual([]);
    expect(wordsOf('constructor toString __proto__')).toEqual([]);
    expect(wordsOf('// a folder', ['folder'])).toEqual([]);
  });
});
