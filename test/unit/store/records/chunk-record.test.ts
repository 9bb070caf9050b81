import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ChunkRecord,
  decodeChunkRecord,
  encodeChunkRecord,
} from '../../../../src/store/records/chunk-record.ts';

const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const run = fc.record({
  xorb: hash,
  first: fc.nat(8192),
  lengths: fc.array(fc.integer({ min: 1, max: 131_072 }), { minLength: 1, maxLength: 20 }),
});
const record: fc.Arbitrary<ChunkRecord> = fc
  .record({ xetHash: hash, runs: fc.array(run, { maxLength: 8 }) })
  .map(({ xetHash, runs }) => ({
    xetHash,
    runs,
    size: runs.flatMap(({ lengths }) => lengths).reduce((sum, length) => sum + length, 0),
  }));

describe('the record of the chunks of a file', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(decodeChunkRecord(encodeChunkRecord(one))).toEqual(one);
      }),
    );
  });

  test('needs four bytes for a chunk', () => {
    const lengths = Array.from({ length: 8000 }, () => 65_536);
    const one = {
      xetHash: 'ab'.repeat(32),
      size: 8000 * 65_536,
      runs: [{ xorb: 'cd'.repeat(32), first: 0, lengths }],
    };
    expect(encodeChunkRecord(one).length).toBeLessThan(8000 * 4 + 120);
  });

  test('is nothing where it ends early or goes on', () => {
    const whole = encodeChunkRecord({
      xetHash: 'ab'.repeat(32),
      size: 30,
      runs: [
        { xorb: 'cd'.repeat(32), first: 3, lengths: [10, 5] },
        { xorb: 'ef'.repeat(32), first: 0, lengths: [15] },
      ],
    });
    for (let end = 0; end < whole.length; end += 1)
      expect(decodeChunkRecord(whole.subarray(0, end))).toBeUndefined();
    expect(decodeChunkRecord(Buffer.concat([whole, Buffer.alloc(1)]))).toBeUndefined();
  });

  test.each<[string, Partial<ChunkRecord>]>([
    ['another size', { size: 9 }],
    ['a chunk without bytes', { runs: [{ xorb: 'cd'.repeat(32), first: 0, lengths: [10, 0] }] }],
    [
      'a chunk above the limit',
      { size: 131_073, runs: [{ xorb: 'cd'.repeat(32), first: 0, lengths: [131_073] }] },
    ],
    ['a run without chunks', { runs: [{ xorb: 'cd'.repeat(32), first: 0, lengths: [] }] }],
    ['an index above the limit', { runs: [{ xorb: 'cd'.repeat(32), first: 65_536, lengths: [10] }] }],
  ])('is nothing with %s', (_name, wrong) => {
    const right = {
      xetHash: 'ab'.repeat(32),
      size: 10,
      runs: [{ xorb: 'cd'.repeat(32), first: 0, lengths: [10] }],
    };
    expect(decodeChunkRecord(encodeChunkRecord(right))).toEqual(right);
    expect(decodeChunkRecord(encodeChunkRecord({ ...right, ...wrong }))).toBeUndefined();
  });

  test('never throws, whatever the file holds', () => {
    const damaged = fc.tuple(record, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(damaged, ([one, place, bytes]) => {
        const written = encodeChunkRecord(one);
        written.set(
          bytes.subarray(0, Math.max(1, written.length - (place % written.length))),
          place % written.length,
        );
        const read = decodeChunkRecord(written);
        const sizes = read?.runs.flatMap(({ lengths }) => lengths) ?? [];
        expect(sizes.reduce((sum, length) => sum + length, 0)).toBe(read?.size ?? 0);
      }),
    );
  });
});
