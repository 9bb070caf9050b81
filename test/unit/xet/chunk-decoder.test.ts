import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadChunkKernel } from '../../../src/hash/chunk-kernel.ts';
import { loadXetHashes, xetHex } from '../../../src/hash/xet-hash.ts';
import { ChunkDecoder, MalformedChunk } from '../../../src/transfer/transport/xet/chunk-decoder.ts';
import { OFFICIAL, officialXorb } from './official.ts';

const hashes = await loadXetHashes();
const kernel = await loadChunkKernel();

interface Decoded {
  readonly hash: string;
  readonly length: number;
}

/** Gives a decoder the bytes in pieces of these sizes, again and again. */
function decode(bytes: Buffer, sizes: readonly number[] = [bytes.length], contents?: Buffer[]): Decoded[] {
  const decoder = new ChunkDecoder(kernel);
  const chunks: Decoded[] = [];
  let stored = 0;
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length]!;
    decoder.push(bytes.subarray(at, at + size), (chunk, storedBytes) => {
      contents?.push(Buffer.from(chunk));
      chunks.push({ hash: xetHex(hashes.chunk(chunk)), length: chunk.length });
      stored += storedBytes;
    });
    at += size;
  }
  expect(decoder.atBoundary).toBe(stored === bytes.length);
  return chunks;
}

function header(fields: { version?: number; packed: number; scheme: number; length: number }): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = fields.version ?? 0;
  bytes.writeUIntLE(fields.packed, 1, 3);
  bytes[4] = fields.scheme;
  bytes.writeUIntLE(fields.length, 5, 3);
  return bytes;
}

describe('chunks as hf-xet packs them', () => {
  test.each([
    ['words', 1],
    ['floats', 2],
    ['zeros', 1],
    ['noise', 0],
  ] as const)('%s: scheme %i', (name, scheme) => {
    const xorb = officialXorb(name);
    expect(xorb[4]).toBe(scheme);
    const all = OFFICIAL[name].chunks.map(({ hash, length }) => ({ hash, length }));
    expect(decode(xorb)).toEqual(name === 'noise' ? all.slice(0, 1) : all);
  });

  test.each(['words', 'floats', 'zeros', 'noise'] as const)('%s: in pieces of any size', (name) => {
    const xorb = officialXorb(name);
    const expected = decode(xorb);
    const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });
    const same = (pieces: number[]) => {
      expect(decode(xorb, pieces)).toEqual(expected);
    };
    fc.assert(fc.property(sizes, same), { numRuns: 30 });
    expect(decode(xorb.subarray(0, 20_000), [1])).toEqual(decode(xorb.subarray(0, 20_000)));
  });

  /** With one bit flipped: MalformedChunk, other hashes, or the very bytes that are right. */
  const isNoticed = (name: keyof typeof OFFICIAL, bit: number): boolean => {
    const xorb = officialXorb(name);
    const expected = decode(xorb);
    xorb[bit >> 3]! ^= 1 << (bit & 7);
    const contents: Buffer[] = [];
    let found: Decoded[];
    try {
      found = decode(xorb, [xorb.length], contents);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedChunk);
      return true;
    }
    const isSame = JSON.stringify(found) === JSON.stringify(expected);
    // A few bits change nothing: the checksum of the LZ4 header, or from how far back a repeated byte is taken.
    if (isSame) expect(Buffer.concat(contents).equals(contentOf(name)), `${name}, bit ${bit}`).toBe(true);
    return !isSame;
  };
  const contentOf = (name: keyof typeof OFFICIAL): Buffer => {
    const contents: Buffer[] = [];
    const xorb = officialXorb(name);
    decode(xorb, [xorb.length], contents);
    return Buffer.concat(contents);
  };

  test.each(['words', 'floats', 'zeros', 'noise'] as const)(
    '%s: a flipped bit is noticed, or harmless',
    (name) => {
      const bits = officialXorb(name).length * 8;
      // Every bit of the first header, of the head of its LZ4 frame, and of the last bytes.
      const edges = Array.from({ length: 8 * 24 }, (_, bit) => bit);
      const last = Array.from({ length: 8 * 8 }, (_, bit) => bits - 1 - bit);
      for (const bit of [...edges, ...last]) isNoticed(name, bit);
      for (let bit = 0; bit < 8 * 4; bit += 1) expect(isNoticed(name, bit), `bit ${bit}`).toBe(true);
      let noticed = 0;
      fc.assert(
        fc.property(fc.nat(bits - 1), (bit) => {
          if (isNoticed(name, bit)) noticed += 1;
        }),
        { numRuns: 300 },
      );
      expect(noticed / 300).toBeGreaterThan(0.9);
    },
  );
});

describe('headers that lie', () => {
  const body = Buffer.alloc(400_000, 7);

  test.each([
    ['another version', { version: 1, packed: 100, scheme: 0, length: 100 }],
    ['an unknown scheme', { packed: 100, scheme: 3, length: 100 }],
    ['the scheme that is never stored', { packed: 100, scheme: 99, length: 100 }],
    ['no payload', { packed: 0, scheme: 0, length: 0 }],
    ['no content', { packed: 20, scheme: 1, length: 0 }],
    ['a payload that is too long', { packed: 262_145, scheme: 1, length: 131_072 }],
    ['a content that is too long', { packed: 100, scheme: 1, length: 131_073 }],
    ['a plain chunk of two lengths', { packed: 100, scheme: 0, length: 99 }],
    ['a payload that is no LZ4', { packed: 100, scheme: 1, length: 100 }],
    ['a grouped payload that is no LZ4', { packed: 100, scheme: 2, length: 100 }],
  ])('%s', (_what, fields) => {
    const bytes = Buffer.concat([header(fields), body]);
    expect(() => decode(bytes)).toThrow(MalformedChunk);
    expect(() => decode(bytes, [5, 60_000])).toThrow(MalformedChunk);
  });

  test('the footer of a xorb', () => {
    expect(() => decode(Buffer.from('XETBLOB\u0001'.padEnd(100)))).toThrow(MalformedChunk);
  });

  test.each([1, -1])('a length that differs from what is unpacked by %i', (by) => {
    const xorb = Buffer.from(officialXorb('words'));
    xorb.writeUIntLE(xorb.readUIntLE(5, 3) + by, 5, 3);
    expect(() => decode(xorb)).toThrow(MalformedChunk);
  });

  test('any bytes at all: chunks, or MalformedChunk', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(1, 2), (payload, scheme) => {
        const frame = Buffer.concat([Buffer.from([4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]), payload]);
        const bytes = Buffer.concat([header({ packed: frame.length, scheme, length: 5000 }), frame]);
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedChunk);
        }
      }),
    );
  });
});
