import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseRateLimit, parseRetryAfter, serverDelay } from '../../../src/http/retry-after.ts';

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('Retry-After', () => {
  test.each([
    ['0', 0],
    ['1', 1000],
    [' 120 ', 120_000],
    ['999999999', 999_999_999_000],
    ['Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 12:00:30 GMT', 30_000],
    ['Sat Nov 21 12:00:30 2026', 30_000],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('%j is a wait of %d ms', (header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });

  test.each([
    [undefined],
    [''],
    ['-1'],
    ['+5'],
    ['1.5'],
    ['1e3'],
    ['10000000000'],
    ['5 seconds'],
    ['soon'],
    ['maybe 5'],
    ['Mon 5'],
    ['May 2027'],
    ['2027-01-01T00:00:00Z'],
    ['Sat, 21 Nov 2026'],
    ['Sat, 99 Nov 2026 12:00:30 GMT'],
    ['Sat, 21 Nov 2026 12:00:30 +0100'],
  ])('%j is none', (header) => {
    expect(parseRetryAfter(header, NOW)).toBeUndefined();
  });

  test('a date without a zone is one of Greenwich, wherever this runs', () => {
    vi.stubEnv('TZ', 'Asia/Tokyo');
    expect(parseRetryAfter('Sat Nov 21 12:00:30 2026', NOW)).toBe(30_000);
  });
});

describe('RateLimit', () => {
  test.each([
    ['"resolvers";r=2998;t=172', { bucket: 'resolvers', remaining: 2998, resetMs: 172_000 }],
    ['"api";r=0;t=1', { bucket: 'api', remaining: 0, resetMs: 1000 }],
    ['"api"; t=1; r=0', { bucket: 'api', remaining: 0, resetMs: 1000 }],
    ['r=0;t=9', { bucket: undefined, remaining: 0, resetMs: 9000 }],
    ['"a";r=5;t=5, "b";r=2;t=9', { bucket: 'a', remaining: 5, resetMs: 5000 }],
    // Whatever comes first: it is the exhausted one that holds us back, the one that lasts longest.
    ['"a";r=5;t=5, "b";r=0;t=9, "c";r=0;t=99', { bucket: 'c', remaining: 0, resetMs: 99_000 }],
    ['"a";r=5, "b";r=0;t=9', { bucket: 'b', remaining: 0, resetMs: 9000 }],
  ])('%j', (header, expected) => {
    expect(parseRateLimit(header)).toEqual(expected);
  });

  test('of several, the one that the request counts in', () => {
    const header = '"api";r=0;t=99, "resolvers";r=7;t=5';
    expect(parseRateLimit(header, 'resolvers')).toEqual({ bucket: 'resolvers', remaining: 7, resetMs: 5000 });
  });

  test.each([
    [undefined],
    [''],
    ['"api"'],
    ['"api";r=0'],
    ['"api";t=5'],
    ['"api";r=-1;t=5'],
    ['"api";r=x;t=5'],
    ['"api";r=1;t=5s'],
    [`"${'a'.repeat(2000)}";r=0;t=5`],
  ])('%j is not understood', (header) => {
    expect(parseRateLimit(header)).toBeUndefined();
  });
});

describe('the wait of a refused request', () => {
  test.each([
    [{ ratelimit: '"api";r=0;t=30' }, 31_000],
    [{ ratelimit: '"api";r=0;t=30', 'retry-after': '5' }, 31_000],
    [{ ratelimit: '"api";r=7;t=30', 'retry-after': '5' }, 5000],
    [{ ratelimit: '"api";r=7;t=30' }, undefined],
    [{ 'retry-after': ['5', '9'] }, 5000],
    [{}, undefined],
  ])('%j: %s', (headers, expected) => {
    expect(serverDelay(headers, NOW)).toBe(expected);
  });
});

test('no header makes it throw, and no wait is negative or no number', () => {
  const piece = fc.constantFrom(
    '"api"',
    ';',
    'r=',
    't=',
    '0',
    '12',
    ',',
    ' ',
    'Sat, ',
    '21 Nov ',
    '2026',
    ':',
    '-',
  );
  const header = fc.option(
    fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    ),
    { nil: undefined },
  );
  fc.assert(
    fc.property(header, header, fc.integer({ min: 0 }), (ratelimit, retryAfter, now) => {
      const delay = serverDelay({ ratelimit, 'retry-after': retryAfter }, now);
      if (delay === undefined) return;
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(delay)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
