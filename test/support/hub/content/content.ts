import { createHash } from 'node:crypto';
import { readDisk, sizeOnDisk } from './disk.ts';
import { readTile } from './tile.ts';

/** Bytes that can be served from any offset. `start` is in, `end` is out. */
export interface Content {
  readonly size: number;
  /** Contents with the same key are the same bytes; cheap, so that a commit id never waits for a hash. */
  readonly key: string;
  /** Said to be its hash, without a proof: for contents that are far too large to hash and are never downloaded whole. */
  readonly claimedSha256?: string;
  read(start: number, end: number): Iterable<Buffer> | AsyncIterable<Buffer>;
}

const SLICE = 1 << 20;

export function bytes(data: Buffer | string): Content {
  const buffer = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  return {
    size: buffer.length,
    key: `bytes:${createHash('sha1').update(buffer).digest('hex')}:${buffer.length}`,
    *read(start, end) {
      for (let at = start; at < end; at += SLICE) yield buffer.subarray(at, Math.min(at + SLICE, end));
    },
  };
}

/** Pseudo-random bytes that depend on nothing but the seed and the size, and are never held in memory. */
export function generated(seed: string, size: number): Content {
  return { size, key: `generated:${seed}:${size}`, read: (start, end) => readTile(seed, start, end) };
}

/** The same content with a hash that is made up, so that it can be listed without being read. */
export function unread(content: Content): Content {
  return { ...content, claimedSha256: createHash('sha256').update(`claimed ${content.key}`).digest('hex') };
}

/** A file of this machine's disk, which must not change while the hub serves it. */
export function onDisk(path: string): Content {
  const { size, changed } = sizeOnDisk(path);
  return { size, key: `disk:${path}:${size}:${changed}`, read: (start, end) => readDisk(path, start, end) };
}

export function joined(parts: readonly Content[]): Content {
  return {
    size: parts.reduce((sum, part) => sum + part.size, 0),
    key: `joined:${parts.map((part) => part.key).join('+')}`,
    async *read(start, end) {
      let base = 0;
      for (const part of parts) {
        const from = Math.max(start - base, 0);
        const to = Math.min(end - base, part.size);
        if (from < to) yield* part.read(from, to);
        base += part.size;
      }
    },
  };
}

/** The same bytes, beginning `by` bytes later and ending with those that were first. */
export function rotated(content: Content, by: number): Content {
  const { size, key } = content;
  const shift = size === 0 ? 0 : by % size;
  return {
    size,
    key: `rotated:${by}:${key}`,
    async *read(start, end) {
      const [from, to] = [start + shift, end + shift];
      if (from < size) yield* content.read(from, Math.min(to, size));
      if (to > size) yield* content.read(Math.max(from, size) - size, to - size);
    },
  };
}

export async function wholeContent(content: Content): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of content.read(0, content.size)) pieces.push(piece);
  return Buffer.concat(pieces);
}
