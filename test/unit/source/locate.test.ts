import { expect, test } from 'vitest';
import { expiry } from '../../../src/http/url.ts';
import { resolveUrl } from '../../../src/source/hub/endpoints.ts';

const COMMIT = 'a'.repeat(40);

test.each([
  ['Expires=1789000000&Signature=x', 1_789_000_000_000],
  ['X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600', Date.UTC(2026, 0, 2, 4, 4, 5)],
  ['', undefined],
  ['Expires=soon', undefined],
  ['Expires=5', undefined],
  ['X-Amz-Date=20260102T030405Z', undefined],
  ['X-Amz-Date=20261399T999999Z&X-Amz-Expires=3600', undefined],
  ['X-Amz-Date=20260102T030405Z&X-Amz-Expires=-1', undefined],
])('a URL with ?%s ends at %s', (query, expected) => {
  expect(expiry(new URL(`https://cdn.example/x?${query}`))).toBe(expected);
});

test.each([
  ['a.json', 'a.json'],
  ['sub dir/a#b%c?.txt', 'sub%20dir/a%23b%25c%3F.txt'],
  ['é日.txt', '%C3%A9%E6%97%A5.txt'],
  ['encoded%20already', 'encoded%2520already'],
])('%s is asked for as %s', (path, encoded) => {
  const url = resolveUrl('https://hub.example/hf', { type: 'dataset', id: 'o/n' }, COMMIT, path);
  expect(url.href).toBe(`https://hub.example/hf/datasets/o/n/resolve/${COMMIT}/${encoded}`);
});
