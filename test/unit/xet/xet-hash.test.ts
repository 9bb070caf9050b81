import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createXetHashes,
  fromXetHex,
  type HashedChunk,
  loadXetHashes,
  xetHex,
} from '../../../src/hash/xet-hash.ts';
import { random } from '../../support/xet/contents.ts';
import { hashedChunks, OFFICIAL } from './official.ts';

const hashes = await loadXetHashes();

describe('the hashes of Xet are those of hf-xet', () => {
  test.each(['words', 'floats', 'noise'] as const)('%s: the xorb and the file', (name) => {
    const chunks = hashedChunks(OFFICIAL[name]);
    expect(hashes.xorb(chunks)).toBe(OFFICIAL[name].xorb);
    expect(hashes.file(chunks)).toBe(OFFICIAL[name].file);
  });

  test('zeros: one chunk serves many places of the file', () => {
    const zeros = new Uint8Array(131_072);
    const { chunks, file, size } = OFFICIAL.zeros;
    expect(xetHex(hashes.chunk(zeros))).toBe(chunks[0]!.hash);
    const whole = Math.floor(size / zeros.length);
    const rest = zeros.subarray(0, size - whole * zeros.length);
    const all = [...Array.from({ length: whole }, () => zeros), rest];
    expect(hashes.file(all.map((bytes) => ({ hash: hashes.chunk(bytes), length: bytes.length })))).toBe(file);
  });

  test('nothing', () => {
    expect(hashes.file([])).toBe('0'.repeat(64));
  });

  // The vectors of the specification (hub-docs, docs/xet/hashing.md).
  test('the text form reverses each group of eight bytes', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, index) => index);
    expect(xetHex(bytes)).toBe('07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918');
    expect([...fromXetHex(xetHex(bytes))]).toEqual([...bytes]);
  });

  test('the input is not changed', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, index) => index);
    xetHex(bytes);
    expect(bytes[0]).toBe(0);
  });
});

test('without vectors the hashes are the same', async () => {
  const plain = await createXetHashes(undefined);
  const bytes = random(1, 100_000);
  expect(plain.chunk(bytes)).toEqual(hashes.chunk(bytes));
  for (const name of ['words', 'floats', 'noise'] as const) {
    const chunks = hashedChunks(OFFICIAL[name]);
    expect(plain.xorb(chunks)).toBe(OFFICIAL[name].xorb);
    expect(plain.file(chunks)).toBe(OFFICIAL[name].file);
  }
});

describe('a root', () => {
  const chunk: fc.Arbitrary<HashedChunk> = fc.record({
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    length: fc.integer({ min: 1, max: 131_072 }),
  });

  test('changes with any bit of any chunk, and with any length', () => {
    fc.assert(
      fc.property(
        fc.array(chunk, { minLength: 2, maxLength: 60 }),
        fc.nat(),
        fc.nat(255),
        (chunks, n, bit) => {
          const root = hashes.xorb(chunks);
          const index = n % chunks.length;
          const flipped = chunks.map((one) => ({ ...one, hash: Uint8Array.from(one.hash) }));
          flipped[index]!.hash[bit >> 3]! ^= 1 << (bit & 7);
          expect(hashes.xorb(flipped)).not.toBe(root);
          const longer = chunks.map((one, at) => (at === index ? { ...one, length: one.length + 1 } : one));
          expect(hashes.xorb(longer)).not.toBe(root);
        },
      ),
    );
  });

  test('of one chunk is its hash', () => {
    fc.assert(
      fc.property(chunk, (one) => {
        expect(hashes.xorb([one])).toBe(xetHex(one.hash));
      }),
    );
  });
});
