import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as format from '../../../src/model/format.ts';

describe('bytes', () => {
  test.each([
    [0, '0 B'],
    [839, '839 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [9994, '9.99 kB'],
    [9996, '10.0 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [512_000_000, '512 MB'],
    [4_160_000_000, '4.16 GB'],
    [2e12, '2.00 TB'],
    [-5, '0 B'],
    [Number.NaN, '0 B'],
  ])('%d is %s', (bytes, words) => {
    expect(format.formatBytes(bytes)).toBe(words);
  });

  test('are never longer than seven characters, and never read as more than half a percent off', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const words = format.formatBytes(bytes);
        expect(words.length).toBeLessThanOrEqual(7);
        const [number, unit] = words.split(' ');
        const power = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'].indexOf(unit ?? '');
        expect(Math.abs(Number(number) * 1000 ** power - bytes)).toBeLessThanOrEqual(bytes * 0.0051);
      }),
    );
  });

  test('of bytes share the unit when they can', () => {
    expect(format.formatBytesOf(1_200_000_000, 4_160_000_000)).toBe('1.20/4.16 GB');
    expect(format.formatBytesOf(980_000_000, 4_160_000_000)).toBe('980 MB/4.16 GB');
  });
});

test.each([
  [0, '0s'],
  [1, '1s'],
  [41_000, '41s'],
  [59_001, '1m 00s'],
  [80_000, '1m 20s'],
  [7_500_000, '2h 05m'],
  [273_600_000, '3d 04h'],
  [-1, '0s'],
  [Number.POSITIVE_INFINITY, 'forever'],
])('%d ms is %s', (milliseconds, words) => {
  expect(format.formatDuration(milliseconds)).toBe(words);
});

test('counts and percentages', () => {
  expect(format.formatCount(1, 'file')).toBe('1 file');
  expect(format.formatCount(1_234_567, 'file')).toBe('1,234,567 files');
  expect(format.formatRate(112_000_000)).toBe('112 MB/s');
  expect(format.wholePercent(999, 1000)).toBe(99);
  expect(format.wholePercent(1000, 1000)).toBe(100);
  expect(format.wholePercent(0, 0)).toBe(100);
});

describe('printable', () => {
  test.each([
    ['model.safetensors', 'model.safetensors'],
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07name', 'name'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x9b2Jname', 'name'],
    ['a\r\nb\tc', 'a b c'],
    ['a\u202egnp.exe', 'agnp.exe'],
    ['zero\u200bwidth\ufeff', 'zerowidth'],
    ['bell\x07\x00\x7f', 'bell'],
    ['lone\ud800', 'lone'],
    ['日本語 é 👩‍👩‍👧', '日本語 é 👩‍👩‍👧'],
  ])('%j becomes %j', (text, safe) => {
    expect(format.printable(text)).toBe(safe);
  });

  test('leaves nothing that a terminal obeys, and is done after one pass', () => {
    const nasty = fc.string({
      unit: fc.constantFrom(
        '\x1b',
        '[',
        ']',
        '3',
        '1',
        'm',
        'K',
        ';',
        '\x07',
        '\x9b',
        '\x9d',
        '\\',
        '\n',
        '\u202e',
        '日',
        'é',
        '\x00',
      ),
    });
    fc.assert(
      fc.property(fc.oneof(nasty, fc.string({ unit: 'binary' })), (text) => {
        const safe = format.printable(text);
        expect(safe).not.toMatch(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u);
        expect(format.printable(safe)).toBe(safe);
      }),
    );
  });
});

describe('width', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['한글', 4],
    ['👩‍👩‍👧', 2],
    ['ｆｕｌｌ', 8],
    ['é…', 2],
    ['', 0],
  ])('%s takes %d', (text, width) => {
    expect(format.displayWidth(text)).toBe(width);
  });

  test('truncation keeps both ends', () => {
    expect(format.truncateMiddle('model-00002-of-00003.safetensors', 20)).toBe('mode…003.safetensors');
    expect(format.truncateMiddle('model-00002-of-00003.safetensors', 30)).toBe(
      'model-0…2-of-00003.safetensors',
    );
    expect(format.truncateMiddle('short', 20)).toBe('short');
    expect(format.truncateMiddle('日本語日本語', 7)).toBe('…日本語');
    expect(format.truncateMiddle('abc', 1)).toBe('…');
    expect(format.truncateMiddle('abc', 0)).toBe('');
  });

  test('truncated text never takes more than its columns, whole text is left alone', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '/', '日', 'e\u0301', '한', '👍', '🇩🇪', '\u0301') });
    fc.assert(
      fc.property(text, fc.nat(40), (name, columns) => {
        const cut = format.truncateMiddle(name, columns);
        expect(format.displayWidth(cut)).toBeLessThanOrEqual(columns);
        if (format.displayWidth(name) <= columns) expect(cut).toBe(name);
        expect(format.displayWidth(format.padEndColumns(cut, columns))).toBe(columns);
      }),
    );
  });
});
