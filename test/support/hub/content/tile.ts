import { createCipheriv, createHash } from 'node:crypto';

/**
 * One block of random bytes, repeated. Its length is a prime, so it shares no factor with any block size of a
 * downloader: two blocks of 1 MiB that change places are different bytes (up to 8 TiB apart).
 */
const PERIOD = 8_388_617;
const SLICE = 1 << 20;

let tile: Buffer | undefined;

/** The tile goes on for one slice beyond its period, so that every slice is a view and nothing is copied. */
function theTile(): Buffer {
  if (tile === undefined) {
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
    const period = cipher.update(Buffer.alloc(PERIOD));
    tile = Buffer.concat([period, period.subarray(0, SLICE)]);
  }
  return tile;
}

/** Where in the tile a seed begins: files of different seeds differ at every offset. */
function phase(seed: string): number {
  return createHash('sha256').update(seed).digest().readUIntBE(0, 6) % PERIOD;
}

export function* readTile(seed: string, start: number, end: number): Generator<Buffer> {
  const source = theTile();
  const first = phase(seed);
  for (let at = start; at < end; at += SLICE) {
    const offset = (first + at) % PERIOD;
    yield source.subarray(offset, offset + Math.min(SLICE, end - at));
  }
}
