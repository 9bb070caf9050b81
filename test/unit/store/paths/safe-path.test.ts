import { isAbsolute, posix, sep, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkNames,
  localPath,
  type NamePlatform,
  nameProblem,
} from '../../../../src/store/paths/safe-path.ts';
import { cpuMs } from '../../../support/machine.ts';

const platforms: readonly NamePlatform[] = ['posix', 'win32'];

function refused(paths: readonly string[], platform: NamePlatform, caseInsensitive = false): string[] {
  return checkNames(paths, platform, { caseInsensitive }).map((problem) => problem.path);
}

describe('refused everywhere', () => {
  test.each([
    ['', 'empty'],
    ['a//b', 'empty'],
    ['a/', 'empty'],
    ['.', '"."'],
    ['a/./b', '"."'],
    ['..', '".."'],
    ['../x', '".."'],
    ['a/../b', '".."'],
    ['a/.\u200d./b', '".."'],
    ['a/\u200d/b', 'invisible'],
    ['/etc/passwd', 'absolute'],
    ['//host/share/x', 'absolute'],
    ['\\\\host\\share\\x', 'backslash'],
    ['a/\\\\host\\share', 'backslash'],
    ['..\\x', 'backslash'],
    ['a\\b', 'backslash'],
    ['C:\\x', 'backslash'],
    ['C:/x', 'drive'],
    ['D:rel', 'drive'],
    ['directory/c:x', 'drive'],
    ['c:', 'drive'],
    ['a\0b', 'control'],
    ['a\nb', 'control'],
    ['a\u001b[2Jb', 'control'],
    ['a\u007fb', 'control'],
    ['a\u009bb', 'control'],
    ['a\ud800b', 'Unicode'],
    ['.git', '.git'],
    ['.git/hooks/post-checkout', '.git'],
    ['sub/.GIT/config', '.git'],
    ['.git./config', '.git'],
    ['.git .. /config', '.git'],
    ['.git::$INDEX_ALLOCATION/config', '.git'],
    ['git~1/config', '.git'],
    ['GIT~1/config', '.git'],
    ['.g\u200cit/config', '.git'],
    ['\ufeff.git/config', '.git'],
    ['.cache', 'records'],
    ['.CACHE', 'records'],
    ['.cache/fetch', 'records'],
    ['.cache/fetch/manifest.json', 'records'],
    ['.Cache/Fetch/lock', 'records'],
    ['.cache/huggingface/download/x.metadata', 'records'],
    ['.cache/HuggingFace', 'records'],
    ['.cache./fetch /x', 'records'],
    ['.cac\u200dhe/fetch/x', 'records'],
    ['CACHE~1/HUGGIN~1/x', 'records'],
    ['a'.repeat(256), '255 bytes'],
    ['é'.repeat(128), '255 bytes'],
    [Array.from({ length: 40 }, () => 'a'.repeat(99)).join('/'), '3072 bytes'],
  ])('%j', (path, reason) => {
    for (const platform of platforms) {
      expect(nameProblem(path, platform)).toContain(reason);
      expect(refused(['ok', path], platform)).toEqual([path]);
    }
  });
});

describe('fine everywhere', () => {
  test.each([
    'config.json',
    '.gitattributes',
    '.gitignore',
    '.github/x.yml',
    'a.git/x',
    'git~/x',
    '..a/...b/c..d',
    '.cache/other/x',
    'sub/.cache/fetch/x',
    'cache/fetch/x',
    'sub dir/é日😀#%[1].txt',
    'console.txt',
    'com/COM10/nul_1',
    'a'.repeat(255),
    ' leading',
  ])('%s', (path) => {
    for (const platform of platforms) expect(nameProblem(path, platform)).toBeUndefined();
  });
});

describe('refused on Windows only', () => {
  test.each([
    ['CON', 'device'],
    ['con', 'device'],
    ['a/NUL/b', 'device'],
    ['nul.txt', 'device'],
    ['aux.tar.gz', 'device'],
    ['prn .txt', 'device'],
    ['COM0', 'device'],
    ['com9.log', 'device'],
    ['COM¹', 'device'],
    ['lpt².x', 'device'],
    ['LPT³', 'device'],
    ['conin$', 'device'],
    ['CONOUT$.x', 'device'],
    ['name.', 'dot or space'],
    ['name ', 'dot or space'],
    ['directory./x', 'dot or space'],
    ['ab:c', '":"'],
    ['a<b', '"<"'],
    ['a>b', '">"'],
    ['a"b', 'in a name'],
    ['a|b', '"|"'],
    ['to?/x', '"?"'],
    ['a*b', '"*"'],
  ])('%j', (path, reason) => {
    expect(nameProblem(path, 'posix')).toBeUndefined();
    expect(nameProblem(path, 'win32')).toContain(reason);
  });
});

describe('names beside each other', () => {
  test.each([
    ['the same twice', ['a', 'b', 'a'], ['a']],
    ['file, then directory', ['a', 'a/b'], ['a/b']],
    ['directory, then file', ['a/b/c', 'a/b'], ['a/b']],
    ['case', ['README.md', 'readme.md'], []],
    ['Unicode', ['é', 'e\u0301'], []],
    ['shared directories', ['a/b', 'a/c', 'a/d/e'], []],
    ['prefix of a name', ['a', 'ab/c', 'a-b'], []],
  ])('%s', (_, paths, expected) => {
    expect(refused(paths, 'posix')).toEqual(expected);
  });

  test.each([
    ['case', ['README.md', 'readme.md'], ['readme.md']],
    ['in a directory', ['a/X', 'a/x'], ['a/x']],
    ['directories', ['Data/a', 'data/b', 'Data/c'], ['data/b']],
    ['file and directory', ['A', 'a/b'], ['a/b']],
    ['composed and not', ['é.txt', 'e\u0301.txt'], ['e\u0301.txt']],
    ['both', ['É', 'e\u0301'], ['e\u0301']],
    ['sharp s', ['straße', 'STRASSE'], ['STRASSE']],
    ['invisible', ['ab', 'a\u200cb'], ['a\u200cb']],
    ['three', ['a', 'A', 'b'], ['A']],
    ['none', ['a/x', 'b/x', 'a/y'], []],
  ])('where case does not count: %s', (_, paths, expected) => {
    for (const platform of platforms) expect(refused(paths, platform, true)).toEqual(expected);
  });

  test('reasons name the other one', () => {
    const [problem] = checkNames(['README.md', 'readme.md'], 'posix', { caseInsensitive: true });
    expect(problem?.reason).toBe('this file system cannot tell it from "README.md"');
    expect(checkNames(['a/b', 'a'], 'posix', { caseInsensitive: false })[0]?.reason).toContain('"a/b"');
    expect(checkNames(['a', 'a'], 'posix', { caseInsensitive: false })).toEqual([
      { path: 'a', reason: 'it is listed twice' },
    ]);
  });

  test('depth costs no more than length', () => {
    const paths = Array.from({ length: 4000 }, (_, index) => `${index}/${'a/'.repeat(190)}b`);
    const started = cpuMs();
    expect(refused(paths, 'posix', true)).toEqual([]);
    expect(cpuMs() - started).toBeLessThan(20_000);
  });

  test('100,000 names take no time to speak of', () => {
    const paths = Array.from({ length: 100_000 }, (_, index) => `data/part-${index % 100}/file-${index}.bin`);
    const started = cpuMs();
    expect(refused(paths, 'win32', true)).toEqual([]);
    expect(cpuMs() - started).toBeLessThan(10_000);
  });
});

describe('localPath', () => {
  test('joins below the directory', () => {
    expect(localPath(`${sep}models`, 'onnx/model.onnx')).toBe(
      [`${sep}models`, 'onnx', 'model.onnx'].join(sep),
    );
    expect(localPath('.', 'a')).toBe('a');
  });

  test.each(['../x', '/x', 'a\\..\\b', '.git/x', ''])('refuses %j', (path) => {
    expect(() => localPath('/models', path)).toThrow(expect.objectContaining({ code: 'DISK' }));
  });
});

describe('properties', () => {
  const piece = fc.constantFrom(
    ...['.', '..', '/', '\\', ':', 'C', ' ', '\0', '.git', 'a', 'B', '~', '?', '\u200c', 'con', '//'],
  );
  const hostile = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
  );

  test.each([
    ['posix', posix, '/base/dir'],
    ['win32', win32, 'C:\\base\\dir'],
  ] as const)('what is accepted for %s stays inside the directory', (platform, rules, directory) => {
    fc.assert(
      fc.property(hostile, (path) => {
        fc.pre(nameProblem(path, platform) === undefined);
        for (const joined of [rules.join(directory, path), rules.resolve(directory, path)]) {
          const relative = rules.relative(directory, joined);
          expect(joined.startsWith(directory + rules.sep)).toBe(true);
          expect(rules.isAbsolute(relative)).toBe(false);
          expect(relative.split(rules.sep)).toEqual(path.split('/'));
        }
      }),
      { numRuns: 2000, maxSkipsPerRun: 1000 },
    );
  });

  test('what Windows accepts, POSIX accepts', () => {
    fc.assert(
      fc.property(hostile, (path) => {
        if (nameProblem(path, 'win32') === undefined) expect(nameProblem(path, 'posix')).toBeUndefined();
      }),
    );
  });

  test('what is accepted together exists once each, and case only makes it stricter', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'A', '/', 'é', 'e\u0301'), maxLength: 5 });
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), (paths) => {
        const strict = refused(paths, 'posix', true);
        expect(strict).toEqual(expect.arrayContaining(refused(paths, 'posix')));
        const kept = paths.filter((path) => !strict.includes(path));
        const folded = kept.map((path) => path.normalize('NFC').toLowerCase());
        expect(new Set(folded).size).toBe(folded.length);
        for (const path of folded) expect(folded.some((other) => other.startsWith(`${path}/`))).toBe(false);
      }),
    );
  });

  test('localPath answers below the directory or not at all', () => {
    fc.assert(
      fc.property(hostile, (path) => {
        let joined: string;
        try {
          joined = localPath(`${sep}base`, path);
        } catch {
          return;
        }
        expect(isAbsolute(joined) && joined.startsWith(`${sep}base${sep}`)).toBe(true);
      }),
    );
  });
});
