import { expect, test } from 'vitest';
import { readMemory } from '../../../src/cli/options/memory.ts';
import { rate, seconds, size } from '../../../src/cli/options/parse-values.ts';

test.each([
  ['20M', 20_000_000],
  ['20MB', 20_000_000],
  ['20MB/s', 20_000_000],
  ['5MiB', 5 * 2 ** 20],
  ['5Mi', 5 * 2 ** 20],
  ['1.5 GiB', 1.5 * 2 ** 30],
  ['500k', 500_000],
  ['512KiB', 512 * 1024],
  ['2000', 2000],
])('--limit-rate %s', (text, bytes) => {
  expect(rate('--limit-rate', text)).toBe(bytes);
});

test.each(['', '5', 'M', '5i', '5ib', '1X', '-5M', '5MM'])('--limit-rate %j is none', (text) => {
  expect(() => rate('--limit-rate', text)).toThrow('--limit-rate takes a rate');
});

test.each([
  ['8', 8e9],
  ['8GB', 8e9],
  ['5GiB', 5 * 2 ** 30],
  ['5gi', 5 * 2 ** 30],
  ['800000k', 8e8],
  ['1TiB', 2 ** 40],
])('--fits %s', async (text, bytes) => {
  expect(await readMemory(text)).toBe(bytes);
});

test.each([
  ['30', 30_000],
  ['0.5', 500],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['1h 30m', 5_400_000],
  ['2d', 172_800_000],
  ['500ms', 500],
])('--timeout %s', (text, milliseconds) => {
  expect(seconds('--timeout', text)).toBe(milliseconds);
});

test.each(['', '0', '-1', '1x', 'h', '1h30', '30 30', '2592000', '30d', '1e3'])(
  '--timeout %j is none',
  (text) => {
    expect(() => seconds('--timeout', text)).toThrow(/--timeout takes seconds, .* up to 23 days/);
  },
);

test('a size with and without a unit', () => {
  expect(size('7B', 1000)).toBe(7);
  expect(size('7', 1000)).toBe(7000);
});
