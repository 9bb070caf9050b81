import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseRevision } from '../../../src/serve/catalog.ts';
import { pathEntries, treeEntries } from '../../../src/serve/documents.ts';
import { gitBlob } from '../../../src/serve/git-pointer.ts';
import { parsePaths } from '../../../src/serve/read-paths.ts';
import { namesEtag, parseRange } from '../../../src/serve/request-range.ts';
import { parseRoute, parseTarget, splitRevision } from '../../../src/serve/route.ts';
import { treePage } from '../../../src/serve/tree-page.ts';
import type { HeldRevision } from '../../../src/store/held-revision.ts';

function revision(paths: readonly string[], about: Partial<HeldRevision> = {}): HeldRevision {
  const files = paths.map((path, index) => {
    const digest = { algorithm: 'git-sha1', hex: String(index % 10).repeat(40) } as const;
    return [path, { path, size: 1, digest }] as const;
  });
  return {
    repo: { type: 'model', id: 'owner/name' },
    names: ['main'],
    commit: 'a'.repeat(40),
    recordedMs: 1,
    files: new Map(files),
    look: () => undefined,
    ...about,
  };
}

describe('routes', () => {
  test.each([
    ['/api/models/owner/name', 'info', 'model', 'owner/name', []],
    ['/api/models/gpt2', 'info', 'model', 'gpt2', []],
    ['/api/models/gpt2/refs', 'refs', 'model', 'gpt2', []],
    ['/api/models/owner/name/refs', 'refs', 'model', 'owner/name', []],
    ['/api/models/owner/tree', 'info', 'model', 'owner/tree', []],
    ['/api/models/owner/tree/tree/main', 'tree', 'model', 'owner/tree', ['main']],
    ['/api/datasets/owner/name/tree/main/', 'tree', 'dataset', 'owner/name', ['main']],
    ['/api/spaces/owner/name/tree/main/a%2Fb', 'tree', 'space', 'owner/name', ['main', 'a/b']],
    ['/api/models/owner/name/revision/refs%2Fpr%2F1', 'revision', 'model', 'owner/name', ['refs/pr/1']],
    ['/api/models/owner/name/paths-info/main', 'paths-info', 'model', 'owner/name', ['main']],
    ['/owner/name/resolve/main/a%20b/c%23d', 'resolve', 'model', 'owner/name', ['main', 'a b', 'c#d']],
    ['/gpt2/resolve/main/x', 'resolve', 'model', 'gpt2', ['main', 'x']],
    ['/datasets/owner/name/raw/main/x', 'raw', 'dataset', 'owner/name', ['main', 'x']],
  ])('%s', (path, kind, type, id, rest) => {
    expect(parseRoute(path)).toEqual({ kind, repo: { type, id }, rest });
  });

  test.each([
    '',
    '/',
    '/api',
    '/api/models',
    '/api/kernels/a/b',
    '/api/models/a/b/c/d',
    '/a/b',
    '/a/b/resolve/main',
    '/a/b/resolve/main/../x',
    '/a/b/resolve/main/%2e%2e/x',
    '/a/b/resolve/main/%2e%2e%2fx',
    '/a/b/resolve//x',
    '/a/b/resolve/main/%',
    '/a/b/resolve/main/%ff',
    '/..%2f..%2fetc/b/resolve/main/passwd',
    `/a/b/resolve/main/${'x'.repeat(9000)}`,
    'http://host/a/b/resolve/main/x',
  ])('%j is nothing', (path) => {
    expect(parseRoute(path)).toBeUndefined();
  });

  test.each([
    ['/a/b?c=d?e', undefined, '/a/b', 'c=d?e'],
    ['http://host:1/a/b?c', 'host:1', '/a/b', 'c'],
    ['HTTPS://host', 'host', '', ''],
    ['http://host?c', 'host', '', 'c'],
    ['ftp://host/a', undefined, 'ftp://host/a', ''],
    ['', undefined, '', ''],
  ])('the target %j', (target, authority, path, query) => {
    expect(parseTarget(target)).toEqual({ authority, path, query });
  });

  test('owners and names that every object has are like others', () => {
    expect(parseRoute('/constructor/toString/resolve/main/x')?.repo).toEqual({
      type: 'model',
      id: 'constructor/toString',
    });
    expect(parseRoute('/constructor/resolve/main/x')?.repo).toEqual({ type: 'model', id: 'constructor' });
    expect(parseRoute('/api/constructor/a/b')).toBeUndefined();
  });

  test('no path leads upwards, whatever is asked', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '%2e',
      '%2E%2e',
      '%2f',
      '/',
      'a',
      'resolve',
      'main',
      '%00',
      '%5c',
      'api',
      'models',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const route = parseRoute(`/${pieces.join('/')}`);
        const parts = [route?.repo.id ?? '', ...(route?.rest ?? [])].flatMap((text) => text.split('/'));
        expect(parts.includes('..') || parts.includes('.')).toBe(false);
      }),
    );
  });

  test('a revision may have slashes', () => {
    const known = (name: string) => name === 'a/b' || name === 'refs/pr/1';
    expect(splitRevision(['a', 'b', 'c'], known)).toEqual({ revision: 'a/b', path: 'c' });
    expect(splitRevision(['a/b', 'c'], known)).toEqual({ revision: 'a/b', path: 'c' });
    expect(splitRevision(['refs', 'pr', '1', 'x', 'y'], known)).toEqual({
      revision: 'refs/pr/1',
      path: 'x/y',
    });
    expect(splitRevision(['main', 'a', 'b'], known)).toEqual({ revision: 'main', path: 'a/b' });
  });
});

describe('ranges', () => {
  test.each([
    [undefined, 10, 'whole'],
    ['bytes=0-0', 10, { start: 0, end: 1 }],
    ['bytes=3-', 10, { start: 3, end: 10 }],
    ['bytes=3-99', 10, { start: 3, end: 10 }],
    ['bytes=-3', 10, { start: 7, end: 10 }],
    ['bytes=-99', 10, { start: 0, end: 10 }],
    ['BYTES= 1 - 2 ', 10, { start: 1, end: 3 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=5-3', 10, 'whole'],
    ['bytes=-', 10, 'whole'],
    ['bytes=0-1,3-4', 10, 'whole'],
    ['chunks=0-1', 10, 'whole'],
    ['bytes=0-0', 0, 'whole'],
  ])('%s of %i bytes', (header, size, expected) => {
    expect(parseRange(header, size)).toEqual(expected);
  });

  test('whatever is asked, the range is inside the file', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, size) => {
        const range = parseRange(`bytes=${text}`, size);
        if (typeof range === 'string') return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.start).toBeLessThan(range.end);
        expect(range.end).toBeLessThanOrEqual(size);
      }),
    );
  });

  test('ETags', () => {
    expect(namesEtag('"a", "b"', '"b"', 'strong')).toBe(true);
    expect(namesEtag('W/"b"', '"b"', 'weak')).toBe(true);
    expect(namesEtag('W/"b"', '"b"', 'strong')).toBe(false);
    expect(namesEtag('*', '"b"', 'strong')).toBe(true);
    expect(namesEtag(undefined, '"b"', 'weak')).toBe(false);
  });
});

describe('revisions', () => {
  const old = revision([], { commit: `1${'0'.repeat(39)}`, recordedMs: 1 });
  const now = revision([], { commit: `1${'1'.repeat(39)}`, recordedMs: 2 });
  const branch = revision([], { commit: `2${'2'.repeat(39)}`, names: ['a/b', 'HEADS'] });

  test.each([
    ['main', now],
    ['HEAD', now],
    ['a/b', branch],
    [old.commit, old],
    [branch.commit.slice(0, 7), branch],
    ['1111111', now],
    ['main ', undefined],
    ['222', undefined],
    ['', undefined],
  ])('%j', (name, expected) => {
    expect(chooseRevision([old, now, branch], name)).toBe(expected);
  });

  test('the beginning of two commits is none of them', () => {
    const twin = revision([], { commit: `1${'0'.repeat(38)}2`, names: [] });
    expect(chooseRevision([old, twin], '1000000')).toBeUndefined();
  });
});

describe('listings', () => {
  const held = revision(['z.txt', 'a/b/c.txt', 'a/d.txt', 'ab']);

  test('trees', () => {
    const paths = (directory: string, recursive: boolean) =>
      treeEntries(held, directory, recursive)?.map(({ path }) => path);
    expect(paths('', false)).toEqual(['a', 'ab', 'z.txt']);
    expect(paths('', true)).toEqual(['a', 'a/b', 'a/b/c.txt', 'a/d.txt', 'ab', 'z.txt']);
    expect(paths('a', false)).toEqual(['a/b', 'a/d.txt']);
    expect(paths('a/b', true)).toEqual(['a/b/c.txt']);
    expect(paths('z.txt', true)).toBeUndefined();
    expect(paths('b', true)).toBeUndefined();
    expect(pathEntries(held, ['a/b', 'ab', 'nothing', 'ab']).map(({ path }) => path)).toEqual(['a/b', 'ab']);
  });

  test('pages give every entry once, whatever the limit', () => {
    const entries = treeEntries(held, '', true) ?? [];
    for (const limit of ['1', '2', '4', '5', '6', '7', '0', '-1', 'x', null]) {
      const found: string[] = [];
      let cursor: string | null = null;
      for (let pages = 0; pages < 20; pages += 1) {
        const page = treePage(entries, { limit, cursor });
        found.push(...page.entries.map(({ path }) => path));
        if (page.next === undefined) break;
        cursor = page.next;
      }
      expect(found).toEqual(entries.map(({ path }) => path));
    }
    expect(
      treePage(entries, { limit: null, cursor: Buffer.from('zz').toString('base64url') }).entries,
    ).toEqual([]);
  });

  test('the pointer of a large file is the one of git LFS', () => {
    const digest = {
      algorithm: 'sha256',
      hex: '248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707',
    } as const;
    // model.safetensors of openai-community/gpt2, as the live Hub lists it.
    expect(gitBlob({ path: 'x', size: 548_105_171, digest })?.oid).toBe(
      '44b36d6e32d13c8fb28b0feab0ac8bfefa7efeda',
    );
  });

  test.each([
    ['application/json', '{"paths":["a","b"],"expand":true}', ['a', 'b']],
    ['application/json; charset=utf-8', '{"paths":"a"}', ['a']],
    ['application/json', '{"paths":[1]}', undefined],
    ['application/json', '[]', undefined],
    ['application/json', '{', undefined],
    ['application/x-www-form-urlencoded', 'paths=a&paths=b%20c&expand=false', ['a', 'b c']],
    ['', 'expand=false', undefined],
  ])('paths of %s %s', (type, body, expected) => {
    expect(parsePaths(type, body)).toEqual(expected);
  });
});
