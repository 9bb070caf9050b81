import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Chunker, MIN_CHUNK_BYTES } from '../../../src/hash/chunker.ts';
import { MAX_CHUNK_BYTES } from '../../../src/model/chunks.ts';
import { random } from '../../support/xet/contents.ts';
import { FIXTURE_CONTENTS, type FixtureName, officialFixtures } from '../../support/xet/fixtures.ts';

function lengthsOf(content: Buffer, pieces: readonly number[] = [content.length]): number[] {
  const lengths: number[] = [];
  const chunker = new Chunker();
  let at = 0;
  for (const piece of pieces) {
    chunker.push(content.subarray(at, at + piece), (length) => lengths.push(length));
    at += piece;
  }
  chunker.push(content.subarray(at), (length) => lengths.push(length));
  chunker.finish((length) => lengths.push(length));
  return lengths;
}

describe('chunks of a file', () => {
  test.each(Object.keys(FIXTURE_CONTENTS) as FixtureName[])(
    'are those of the official client: %s',
    (name) => {
      const official = officialFixtures().files[name].chunks.map(({ length }) => length);
      expect(lengthsOf(FIXTURE_CONTENTS[name])).toEqual(official);
    },
  );

  test('do not depend on the pieces in which the file is read', () => {
    const content = Buffer.concat([random(5, 300_000), Buffer.alloc(150_000), random(6, 200_000)]);
    const whole = lengthsOf(content);
    const piece = fc.oneof(
      fc.integer({ min: 0, max: 100_000 }),
      fc.constantFrom(1, 63, 64, 65, 8126, 8127, 8128, 8191, 8192, 131_071, 131_072),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        expect(lengthsOf(content, pieces)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  test('have at least 8 KiB, but for the last one, and at most 128 KiB', () => {
    const lengths = lengthsOf(random(9, 8_000_000));
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(8_000_000);
    expect(Math.min(...lengths.slice(0, -1))).toBeGreaterThanOrEqual(MIN_CHUNK_BYTES);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
    expect(lengths.length).toBeGreaterThan(80);
  });
});
