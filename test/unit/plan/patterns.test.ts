import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter, compilePattern } from '../../../src/plan/patterns.ts';
import { cpuMs } from '../../support/machine.ts';

const yes = true;
const no = false;

describe('the table of hf', () => {
  test.each([
    ['*.json', 'a/b/config.json', yes],
    ['data/*', 'data/x/y.json', yes],
    ['path/to/', 'path/to/lfs.bin', yes],
    ['path/to/', 'nested/path/to/lfs.bin', no],
    ['path/to', 'path/to/file', no],
    ['**/x.json', 'x.json', no],
    ['**/x.json', 'a/x.json', yes],
    ['*', '.gitattributes', yes],
    ['*.JSON', 'config.json', no],
    ['model-0000?-of-*.safetensors', 'model-00001-of-00002.safetensors', yes],
    ['', 'a', no],
    ['', '', no],
    ['a\\b', 'a/b', yes],
    ['a/b', 'a\\b', yes],
    ['a?b', 'a/b', yes],
    ['[[]x]', '[x]', yes],
    ['[x]', '[x]', no],
    ['a[b', 'a[b', yes],
    ['a[]', 'a[]', yes],
    ['a[!]', 'a[!]', yes],
    ['[]]', ']', yes],
    ['[!]]', ']', no],
    ['[!]]', 'a', yes],
    ['[a-c]', 'b', yes],
    ['[a-c]', '-', no],
    ['[a-]', '-', yes],
    ['[-a]', '-', yes],
    ['[c-a]', 'b', no],
    ['[!c-a]', 'b', yes],
    ['[z-a!b]', 'b', no],
    ['[z-a!b]', 'c', yes],
    ['[^a]', '^', yes],
    ['[^a]', 'b', no],
    ['[a-c-e]', 'd', no],
    ['?', '😀', yes],
    ['[😀-😂]', '😁', yes],
    ['*.{a,b}', 'x.a', no],
    ['a*', 'a\nb', yes],
  ])('%s on %s: %s', (pattern, path, expected) => {
    expect(compilePattern(pattern)(path)).toBe(expected);
  });
});

test('a filter needs an include, if there are any, and no exclude', () => {
  const paths = ['a.json', 'b.bin', 'c/d.json'];
  const chosen = (include?: string[], exclude?: string[]) => paths.filter(compileFilter(include, exclude));
  expect(chosen()).toEqual(paths);
  expect(chosen([], [])).toEqual(paths);
  expect(chosen(['*.json'])).toEqual(['a.json', 'c/d.json']);
  expect(chosen(['*.json', 'b*'], ['c/'])).toEqual(['a.json', 'b.bin']);
  expect(chosen(undefined, ['*'])).toEqual([]);
  expect(chosen([''])).toEqual([]);
});

test('many stars do not explode', () => {
  const matcher = compilePattern(`${'*a'.repeat(200)}*b`);
  const started = cpuMs();
  expect(matcher('a'.repeat(4000))).toBe(false);
  expect(cpuMs() - started).toBeLessThan(5_000);
});

/** The definition itself, without any cleverness: exponential, and obviously right. */
function reference(pattern: string, path: string): boolean {
  if (pattern === '') return path === '';
  const rest = pattern.slice(1);
  if (pattern[0] === '*') return reference(rest, path) || (path !== '' && reference(pattern, path.slice(1)));
  return path !== '' && (pattern[0] === '?' || pattern[0] === path[0]) && reference(rest, path.slice(1));
}

describe('properties', () => {
  const path = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.'), maxLength: 10 });

  test('agrees with the definition of * and ?', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(pattern, path, (glob, text) => {
        const expected = reference(glob.endsWith('/') ? `${glob}*` : glob, text);
        expect(compilePattern(glob)(text)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test('a path with its special characters in brackets matches itself and nothing else', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '*', '?', '[', ']', '!', '-'),
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(text, text, (one, other) => {
        const matcher = compilePattern(one.replace(/[*?[]/g, '[$&]'));
        expect(matcher(one)).toBe(true);
        expect(matcher(other)).toBe(one === other);
      }),
    );
  });
});

const python = spawnSync('python3', ['-c', 'import fnmatch'], { encoding: 'utf8' });

// Shown as skipped where there is no Python: the comparison is not made then.
test.skipIf(python.status !== 0)('agrees with CPython', () => {
  const unit = fc.constantFrom(
    'a',
    'b',
    'c',
    'z',
    '*',
    '?',
    '[',
    '[',
    ']',
    ']',
    '!',
    '-',
    '-',
    '^',
    '/',
    '.',
    '&',
    '😀',
  );
  const pattern = fc.oneof(
    fc.string({ unit, minLength: 1, maxLength: 9 }),
    fc.string({ unit, maxLength: 6 }).map((members) => `[${members}]`),
  );
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', 'z', '!', '-', '[', ']', '^', '/', '&', '😀'),
    maxLength: 3,
  });
  const cases = fc
    .sample(fc.tuple(pattern, fc.array(text, { minLength: 8, maxLength: 8 })), { numRuns: 3000 })
    .filter(([glob]) => !glob.endsWith('/'));
  const program = [
    'import fnmatch, json, sys, warnings',
    'warnings.simplefilter("ignore")',
    'print(json.dumps([[fnmatch.fnmatchcase(t, p) for t in ts] for p, ts in json.load(sys.stdin)]))',
  ].join('\n');
  const { stdout, stderr } = spawnSync('python3', ['-c', program], {
    input: JSON.stringify(cases),
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  const answers = JSON.parse(stdout) as boolean[][];
  for (const [index, [glob, texts]] of cases.entries()) {
    expect([glob, texts, texts.map(compilePattern(glob))]).toEqual([glob, texts, answers[index]]);
  }
});
