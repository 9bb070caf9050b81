import { expect, test } from 'vitest';
import { filesAhead } from '../../../src/operations/download/locate-ahead.ts';

const ahead = (hints: readonly string[], selection = {}): string[] =>
  filesAhead(hints, { selection }).map(({ path }) => path);

test('weights come first, and all that is selected follows', () => {
  const hints = ['.gitattributes', 'README.md', 'config.json', 'model.safetensors', 'sub/other.gguf'];
  expect(ahead(hints)).toEqual(['model.safetensors', 'sub/other.gguf', 'README.md', 'config.json']);
  expect(ahead(hints, { include: ['*.json'] })).toEqual(['config.json']);
});

test('what the request names needs no hint', () => {
  expect(ahead([], { names: ['sub/model.safetensors'] })).toEqual(['sub/model.safetensors']);
  expect(ahead(['config.json'], { names: ['sub/model.safetensors'] })).toEqual(['sub/model.safetensors']);
});

test.each([
  '../outside',
  '/outside',
  'a//b',
  './a',
  '.git/config',
  'sub/.git/config',
  'C:\\x',
  'nul\0byte',
  'long'.repeat(60),
])('one odd name, and none is believed: %j', (name) => {
  expect(ahead(['config.json', name])).toEqual([]);
});

test('a selection that matches nothing is left to the listing', () => {
  expect(ahead(['config.json'], { include: ['*.gguf'] })).toEqual([]);
});
