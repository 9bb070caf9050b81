import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextPage } from '../../../src/http/next-page.ts';

const CURRENT = new URL('https://hub.example/api/models/o/n/tree/main?recursive=true');

test.each([
  [
    '<https://hub.example/api/x?cursor=a>; rel="next"',
    'https://hub.example',
    'https://hub.example/api/x?cursor=a',
  ],
  ['<https://huggingface.co/api/x?c=a>; rel="next"', 'https://hub.example', 'https://hub.example/api/x?c=a'],
  ['<https://hf.co/p>; rel="prev", </n>; rel=next', 'https://hub.example', 'https://hub.example/n'],
  ['<http://hub.example/api/x>; rel="next"', 'https://hub.example', 'https://hub.example/api/x'],
  // A path in front of the hub: the server behind it may or may not know of it.
  [
    '<https://hub.example/a/hf/api/x>; rel="next"',
    'https://hub.example/a/hf',
    'https://hub.example/a/hf/api/x',
  ],
  [
    '<http://hub.example/a/hf/api/x>; rel="next"',
    'https://hub.example/a/hf',
    'https://hub.example/a/hf/api/x',
  ],
  ['<https://hub.example/api/x>; rel="next"', 'https://hub.example/a/hf', 'https://hub.example/a/hf/api/x'],
  [
    '<https://huggingface.co/api/x>; rel="next"',
    'https://hub.example/a/hf',
    'https://hub.example/a/hf/api/x',
  ],
])('%s at %s is %s', (header, endpoint, expected) => {
  expect(nextPage(header, CURRENT, endpoint)?.href).toBe(expected);
});

test.each([
  undefined,
  '',
  '<https://hub.example/x>; rel="prev"',
  '<https://hub.example/x>',
  'rel="next"',
  '<>; rel="next"',
])('%j is the last page', (header) => {
  expect(nextPage(header, CURRENT, 'https://hub.example')).toBeUndefined();
});

test.each(['x:.evil.example/api', 'data:,x', 'javascript:alert(1)', 'http://[::1'])(
  '%s is no next page',
  (url) => {
    expect(() => nextPage(`<${url}>; rel="next"`, CURRENT, 'https://hub.example')).toThrow(
      expect.objectContaining({ code: 'NETWORK' }),
    );
  },
);

test('whatever a server says, the next page is at the endpoint', () => {
  const target = fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string(), fc.webPath());
  fc.assert(
    fc.property(target, fc.constantFrom('', '/hf'), (url, prefix) => {
      let next: URL | undefined;
      try {
        next = nextPage(`<${url}>; rel="next"`, CURRENT, `https://hub.example${prefix}`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'NETWORK' });
      }
      if (next !== undefined) expect(next.href.startsWith(`https://hub.example${prefix}/`)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
