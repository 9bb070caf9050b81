import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scaleConstants, scheduledFiles } from '../../bench/scaled-build.ts';

const root = join(import.meta.dirname, '../../..');

test('constants of bytes and rates are scaled, and those that refer to them follow', () => {
  const source = `const MIB = 1024 * 1024;
export const STARVED_RATE = 100;
const MIN_BYTES = 4 * MIB;
const SETTLE_MS = 1500;
const START = 16;
`;
  expect(scaleConstants(source, 8)).toBe(`const MIB = (1024 * 1024) / 8;
export const STARVED_RATE = (100) / 8;
const MIN_BYTES = 4 * MIB;
const SETTLE_MS = 1500;
const START = 16;
`);
});

test('the scheduling of this version has them where they are looked for', () => {
  const texts = scheduledFiles(root).map((file) => [file, readFileSync(file, 'utf8')] as const);
  const scaled = texts.filter(([, text]) => scaleConstants(text, 8) !== text).map(([file]) => file);
  const names = scaled.map((file) => file.slice(file.lastIndexOf('/') + 1)).sort();
  expect(names).toEqual(
    expect.arrayContaining([
      'adaptive-concurrency.ts',
      'descent.ts',
      'fall-watch.ts',
      'link-estimate.ts',
      'schedule.ts',
      'segment-queue.ts',
      'split-segment.ts',
      'transport-server.ts',
    ]),
  );
  // A constant of another form or name would keep its value unnoticed.
  const left = texts.flatMap(([, text]) =>
    Array.from(
      text.matchAll(/^(?:export )?const (\w*(?:MIB|KIB|BYTES|RATE|EACH)) = (?!.*MIB)(?![\d_ *]+;)/gm),
      ([, name]) => name,
    ),
  );
  expect(left.filter((name) => name !== undefined)).toEqual([]);
});
