import fc from 'fast-check';
import { createBLAKE3 } from 'hash-wasm';
import { describe, expect, test } from 'vitest';
import { loadChunkKernel } from '../../../src/hash/chunk-kernel.ts';
import { MAX_CHUNK_BYTES, MAX_PACKED_CHUNK_BYTES } from '../../../src/model/chunks.ts';
import { ChunkDecoder, MalformedChunk } from '../../../src/transfer/transport/xet/chunk-decoder.ts';
import { unpackLz4Frame } from '../../../src/transfer/transport/xet/lz4-frame.ts';
import { random } from '../../support/xet/contents.ts';
import { officialXorb } from './official.ts';

// Every machine that tests run on has vectors.
const kernel = (await loadChunkKernel())!;
const KEY = Uint8Array.from({ length: 32 }, (_, index) => 7 * index);
const other = await createBLAKE3(256, KEY);

function sameHash(bytes: Uint8Array): void {
  const hash = Buffer.from(kernel.hash(bytes, KEY)).toString('hex');
  expect(hash, `${bytes.length} bytes`).toBe(other.init().update(bytes).digest('hex'));
}

/** The first chunk of a xorb: what it unpacks to, and the frame. */
function frameOf(name: 'words' | 'floats' | 'zeros'): { frame: Buffer; length: number } {
  const xorb = officialXorb(name);
  return { frame: xorb.subarray(8, 8 + xorb.readUIntLE(1, 3)), length: xorb.readUIntLE(5, 3) };
}

const FRAMES = (['words', 'floats', 'zeros'] as const).map(frameOf);
/** A frame that begins rightly. */
const BEGUN = Buffer.from([4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);

/** Both ways to unpack say the same of the same bytes. */
function unpackSame(frame: Uint8Array, length: number): void {
  const target = Buffer.alloc(length);
  const isRight = unpackLz4Frame(frame, target);
  const found = kernel.unpack(frame, length, false);
  expect(found !== undefined).toBe(isRight);
  if (found !== undefined && Buffer.compare(found, target) !== 0) expect(found).toEqual(target);
}

describe('BLAKE3 is that of another implementation', () => {
  const blocks = [0, 1, 63, 64, 65, 127, 128, 1023, 1024, 1025];
  const leaves = [2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 128, 129, 255, 256];
  const edges = leaves.flatMap((count) => [count * 1024 - 1, count * 1024, count * 1024 + 1]);

  test('at every edge of its tree', () => {
    for (const length of [...blocks, ...edges])
      if (length <= MAX_PACKED_CHUNK_BYTES) sameHash(random(length + 1, length));
  });

  test('for any bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.nat(MAX_CHUNK_BYTES), (seed, length) =>
        sameHash(random(seed, length)),
      ),
      { numRuns: 50 },
    );
  });

  test('of what was just unpacked, with any key', () => {
    for (const { frame, length } of FRAMES) {
      const bytes = kernel.unpack(frame, length, false)!;
      sameHash(bytes);
      expect(kernel.hash(bytes, new Uint8Array(32))).not.toEqual(kernel.hash(bytes, KEY));
      sameHash(bytes);
    }
  });

  test('more bytes than there is room for are refused', () => {
    expect(() => kernel.hash(new Uint8Array(MAX_PACKED_CHUNK_BYTES + 1), KEY)).toThrow(RangeError);
  });
});

describe('LZ4 is unpacked as in JavaScript', () => {
  test('what is right, in one block or several, packed or not, with and without checksums', () => {
    for (const { frame, length } of FRAMES) {
      unpackSame(frame, length);
      unpackSame(frame, length - 1);
      unpackSame(frame, length + 1);
    }
    const [{ frame, length }] = FRAMES as [(typeof FRAMES)[0]];
    const block = frame.subarray(7, -4);
    const stored = Buffer.from([3, 0, 0, 0x80, 1, 2, 3]);
    const sum = Buffer.alloc(4);
    const head = (flags: number) => Buffer.from([4, 0x22, 0x4d, 0x18, flags, 0x40, 0]);
    unpackSame(Buffer.concat([head(0x60), stored, block, stored, sum]), length + 6);
    unpackSame(Buffer.concat([head(0x64), stored, block, sum, sum]), length + 3);
    unpackSame(Buffer.concat([head(0x70), stored, sum, block, sum, sum]), length + 3);
    unpackSame(Buffer.concat([head(0x68), sum, sum, stored, sum]), 3);
    unpackSame(Buffer.concat([head(0x61), stored, sum]), 3);
  });

  test('what is cut off at any byte', () => {
    for (const { frame, length } of FRAMES) {
      for (let end = 0; end < Math.min(frame.length, 3000); end += 1)
        unpackSame(frame.subarray(0, end), length);
    }
  });

  test('with bits flipped', () => {
    fc.assert(
      fc.property(fc.nat(2), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), (which, places) => {
        const { frame, length } = FRAMES[which]!;
        const wrong = Buffer.from(frame);
        for (const place of places) wrong[(place >> 3) % wrong.length]! ^= 1 << (place & 7);
        unpackSame(wrong, length);
      }),
      { numRuns: 500 },
    );
  });

  test('of any bytes, and what it holds is still right afterwards', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(MAX_CHUNK_BYTES), (bytes, length) => {
        const size = Buffer.alloc(4);
        size.writeUInt32LE(bytes.length);
        unpackSame(Buffer.concat([BEGUN, size, bytes, Buffer.alloc(4)]), length);
        unpackSame(Buffer.concat([BEGUN, bytes]), length);
      }),
      { numRuns: 500 },
    );
    for (const { frame, length } of FRAMES) unpackSame(frame, length);
    sameHash(random(1, 5000));
  });

  test('sizes beyond the room are refused', () => {
    expect(kernel.unpack(FRAMES[0]!.frame, MAX_CHUNK_BYTES + 1, false)).toBeUndefined();
    expect(kernel.unpack(FRAMES[0]!.frame, 2 ** 31, true)).toBeUndefined();
    expect(kernel.unpack(Buffer.alloc(MAX_PACKED_CHUNK_BYTES + 1), 100, false)).toBeUndefined();
  });
});

test('groups are taken apart as in JavaScript, whatever the length', () => {
  for (const length of [1, 2, 3, 4, 5, 63, 64, 65, 66, 67, 68, 127, 1001, 65_534, MAX_CHUNK_BYTES]) {
    const grouped = random(length, length);
    // One block that is not packed.
    const size = Buffer.alloc(4);
    size.writeUInt32LE(length + 0x80000000);
    const payload = Buffer.concat([BEGUN, size, grouped, Buffer.alloc(4)]);
    const header = Buffer.from([0, 0, 0, 0, 2, 0, 0, 0]);
    header.writeUIntLE(payload.length, 1, 3);
    header.writeUIntLE(length, 5, 3);
    const [own, plain] = [kernel, undefined].map((by) => {
      const chunks: Buffer[] = [];
      new ChunkDecoder(by).push(Buffer.concat([header, payload]), (chunk) => chunks.push(Buffer.from(chunk)));
      return Buffer.concat(chunks);
    });
    expect(own!.length).toBe(length);
    if (!own!.equals(plain!)) expect(own, `${length} bytes`).toEqual(plain);
  }
});

test('without vectors the decoder is as strict', () => {
  const xorb = Buffer.from(officialXorb('words'));
  xorb.writeUIntLE(xorb.readUIntLE(5, 3) + 1, 5, 3);
  expect(() => new ChunkDecoder().push(xorb, () => {})).toThrow(MalformedChunk);
});
