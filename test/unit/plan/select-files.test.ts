import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { type Selection, selectFiles } from '../../../src/plan/select-files.ts';

function listing(...paths: string[]): RemoteFile[] {
  return paths.map((path) => ({ path, size: 1, digest: undefined }));
}

const files = listing(
  '.gitattributes',
  'README.md',
  'a[1].txt',
  'a1.txt',
  'config.json',
  'onnx/config.json',
  'onnx/deep/model.onnx',
  'onnxruntime.txt',
  'tokenizer.json',
);

function paths(selection: Selection): string[] {
  return selectFiles(files, selection).map((file) => file.path);
}

function failure(selection: Selection, from = files): FetchError {
  try {
    selectFiles(from, selection);
  } catch (error) {
    if (error instanceof FetchError) return error;
    throw error;
  }
  throw new Error('it selected something');
}

const below = ['onnx/config.json', 'onnx/deep/model.onnx'];

describe('names', () => {
  test.each<[string, Selection, string[]]>([
    ['all', {}, files.map((file) => file.path)],
    ['no names', { names: [], include: [], exclude: [] }, files.map((file) => file.path)],
    ['a file', { names: ['config.json'] }, ['config.json']],
    [
      'in the order of the listing, once',
      { names: ['tokenizer.json', 'config.json', 'config.json'] },
      ['config.json', 'tokenizer.json'],
    ],
    ['a directory with a slash', { names: ['onnx/'] }, below],
    ['a directory without', { names: ['onnx'] }, below],
    ['a directory in a directory', { names: ['onnx/deep'] }, ['onnx/deep/model.onnx']],
    ['as a shell completes it', { names: ['./onnx/config.json'] }, ['onnx/config.json']],
    ['as Windows completes it', { names: ['onnx\\deep\\'] }, ['onnx/deep/model.onnx']],
    ['a pattern', { names: ['*.json'] }, ['config.json', 'onnx/config.json', 'tokenizer.json']],
    ['a pattern with a slash', { names: ['onn?/'] }, below],
    ['an exact name before the pattern', { names: ['a[1].txt'] }, ['a[1].txt']],
    ['a directory from an address', { path: { path: 'onnx', kind: 'folder' } }, below],
    ['a file from an address', { path: { path: 'config.json', kind: 'file' } }, ['config.json']],
    ['either from an address', { path: { path: 'onnx', kind: 'either' } }, below],
    [
      'an address and a name',
      { names: ['a1.txt'], path: { path: 'config.json', kind: 'file' } },
      ['a1.txt', 'config.json'],
    ],
  ])('%s', (_, selection, expected) => {
    expect(paths(selection)).toEqual(expected);
  });

  test.each<[Selection, string, string]>([
    [{ names: ['tokenzer.json'] }, 'tokenzer.json', 'tokenizer.json'],
    [{ names: ['config.json', 'Config.JSON'] }, 'Config.JSON', 'config.json'],
    [{ names: ['config.json/'] }, 'config.json/', 'config.json'],
    [{ names: ['nix/'] }, 'nix/', 'onnx/'],
    [{ names: ['x1', 'x2'] }, 'x1, x2', 'There are .gitattributes'],
    [{ names: ['*.bin'] }, '*.bin', '.gitattributes'],
    [{ names: [''] }, 'No file', 'There are'],
    [{ path: { path: 'onnx', kind: 'file' } }, 'onnx', 'onnx/'],
    [{ path: { path: 'config.json', kind: 'folder' } }, 'config.json', 'config.json'],
    [{ path: { path: '*', kind: 'either' } }, '*', 'There are'],
  ])('%j is not found', (selection, message, hint) => {
    const error = failure(selection);
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});

describe('filters', () => {
  test.each<[Selection, string[]]>([
    [{ include: ['onnx/'] }, below],
    [{ include: ['*.json'], exclude: ['onnx/*'] }, ['config.json', 'tokenizer.json']],
    [{ include: ['*.json', '*.nothing'] }, ['config.json', 'onnx/config.json', 'tokenizer.json']],
    [{ names: ['onnx', 'config.json'], include: ['*.json'] }, ['config.json', 'onnx/config.json']],
    [{ names: ['onnx'], exclude: ['*.json'] }, ['onnx/deep/model.onnx']],
  ])('%j', (selection, expected) => {
    expect(paths(selection)).toEqual(expected);
  });

  test.each<[Selection, string, string]>([
    [
      { include: ['*.bin'] },
      '--include *.bin',
      '.gitattributes, README.md, a[1].txt, a1.txt, config.json and 4 more',
    ],
    [{ include: ['*.JSON'] }, '--include *.JSON', 'case count: there is config.json'],
    [{ include: ['onnx'] }, '--include onnx', 'slash at its end'],
    [{ exclude: ['*'] }, '--exclude *', '.gitattributes'],
    [
      { include: ['*.json'], exclude: ['*.js*'] },
      '--exclude *.js*',
      'There are config.json, onnx/config.json, tokenizer.json.',
    ],
    [{ names: ['onnx'], include: ['README.md'] }, '--include README.md', 'There are onnx/config.json'],
  ])('%j leaves nothing', (selection, message, hint) => {
    const error = failure(selection);
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test('an empty revision is no error by itself', () => {
    expect(selectFiles([], {})).toEqual([]);
    expect(failure({ include: ['*'] }, []).hint).toBe('There are no files to choose from.');
    expect(failure({ names: ['x'] }, []).code).toBe('NOT_FOUND');
  });
});

test('naming every file selects every file, and filters only ever take away', () => {
  const path = fc.string({ unit: fc.constantFrom('a', 'b', '[', '*', '?', ']'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.uniqueArray(path, { minLength: 1 }), path, (all, pattern) => {
      const source = listing(...all);
      expect(selectFiles(source, { names: all })).toEqual(source);
      for (const selection of [
        { include: [pattern] },
        { exclude: [pattern] },
        { names: [all[0]!], exclude: [pattern] },
      ]) {
        try {
          expect(source).toEqual(expect.arrayContaining(selectFiles(source, selection)));
        } catch (error) {
          expect(error).toMatchObject({ code: 'NOT_FOUND' });
        }
      }
    }),
  );
});

describe('an accented letter', () => {
  const parsed = 'caf\u00e9/mod\u00e8le.bin';
  const decomposed = 'cafe\u0301/mode\u0300le.bin';
  const entry = (path: string) => ({ path, size: 1, digest: undefined });

  test.each([
    [parsed, decomposed],
    [decomposed, parsed],
  ])('is the same in both ways of writing it: %j for %j', (asked, listed) => {
    const files = [entry(listed), entry('other')];
    const directory = asked.split('/')[0]!;
    for (const names of [[asked], [directory], [`${directory}/`], [`${directory}/*.bin`]]) {
      expect(selectFiles(files, { names }).map(({ path }) => path)).toEqual([listed]);
    }
    expect(selectFiles(files, { include: [`${directory}/*`] }).map(({ path }) => path)).toEqual([listed]);
    expect(selectFiles(files, { exclude: [asked] }).map(({ path }) => path)).toEqual(['other']);
  });

  test('is told apart where both are listed', () => {
    const files = [entry(parsed), entry(decomposed)];
    expect(selectFiles(files, { names: [decomposed] }).map(({ path }) => path)).toEqual([decomposed]);
  });
});
