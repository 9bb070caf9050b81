import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatRange, parseContentRange } from '../../../src/http/range.ts';

test('a half-open range is written with its last byte', () => {
  expect(formatRange({ start: 0, end: 1 })).toBe('bytes=0-0');
  expect(formatRange({ start: 5_000_000_000, end: 5_000_000_010 })).toBe('bytes=5000000000-5000000009');
});

test.each([
  ['bytes 0-0/1', 0, 1, 1],
  ['bytes 5-9/10', 5, 10, 10],
  ['BYTES 5-9/10', 5, 10, 10],
  ['  bytes   5-9/10 ', 5, 10, 10],
  ['bytes 5-9/*', 5, 10, undefined],
  ['bytes 400000000000-499999999999/500000000000', 400_000_000_000, 500_000_000_000, 500_000_000_000],
])('%j is understood', (header, start, end, total) => {
  expect(parseContentRange(header)).toEqual({ range: { start, end }, total });
});

test.each([
  [undefined],
  [''],
  ['bytes'],
  ['bytes */10'],
  ['bytes 9-5/10'],
  ['bytes 0-10/10'],
  ['bytes -5/10'],
  ['bytes 0-/10'],
  ['bytes 0-9'],
  ['bytes=0-9/10'],
  ['items 0-9/10'],
  ['bytes 0-9/10, bytes 20-29/30'],
  ['bytes 0x1-9/10'],
  ['bytes 1e1-99/100'],
  ['bytes 0-9007199254740991/*'],
  ['bytes 0-9/99999999999999999'],
  ['bytes 0-9/9999999999999999'],
  ['bytes 0.5-9/10'],
])('%j is not', (header) => {
  expect(parseContentRange(header)).toBeUndefined();
});

test('what is written is read again', () => {
  const offset = fc.maxSafeNat();
  fc.assert(
    fc.property(offset, offset, offset, (one, two, three) => {
      const [start, last, beyond] = [one, two, three].sort((left, right) => left - right) as [
        number,
        number,
        number,
      ];
      fc.pre(start < last && last < Number.MAX_SAFE_INTEGER);
      const total = Math.max(last, beyond);
      const header = `${formatRange({ start, end: last }).replace('=', ' ')}/${total}`;
      expect(parseContentRange(header)).toEqual({ range: { start, end: last }, total });
    }),
  );
});

test('nothing makes it throw, and what it gives is always in order', () => {
  const piece = fc.constantFrom('bytes ', '-', '/', '*', '0', '9', '18446744073709551616', ' ', ',', '٣');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (header) => {
        const found = parseContentRange(header);
        if (found === undefined) return;
        const { range, total } = found;
        expect(range.start).toBeLessThan(range.end);
        expect(Number.isSafeInteger(range.end)).toBe(true);
        if (total !== undefined) expect(range.end).toBeLessThanOrEqual(total);
      },
    ),
  );
});
