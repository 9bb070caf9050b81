import type { ArrivedChunk } from '../transport.ts';

const FIELDS = 4;
const HASH_BYTES = 32;

/** Chunks in a form that crosses threads at once: an object and a buffer for each took a tenth of the time of a download. */
export interface PackedChunks {
  readonly xorbs: readonly string[];
  /** Of each chunk: offset, length, number of its xorb in `xorbs`, number in the xorb. */
  readonly fields: Float64Array;
  readonly hashes: Uint8Array;
}

export function packChunks(chunks: readonly ArrivedChunk[]): PackedChunks {
  const xorbs: string[] = [];
  const fields = new Float64Array(chunks.length * FIELDS);
  const hashes = new Uint8Array(chunks.length * HASH_BYTES);
  for (const [number, { offset, length, xorb, index, hash }] of chunks.entries()) {
    // Chunks of one xorb follow each other.
    if (xorbs.at(-1) !== xorb) xorbs.push(xorb);
    fields.set([offset, length, xorbs.length - 1, index], number * FIELDS);
    hashes.set(hash, number * HASH_BYTES);
  }
  return { xorbs, fields, hashes };
}

export function* unpackChunks({ xorbs, fields, hashes }: PackedChunks): Generator<ArrivedChunk> {
  for (let at = 0, hashAt = 0; at < fields.length; at += FIELDS, hashAt += HASH_BYTES) {
    yield {
      offset: fields[at]!,
      length: fields[at + 1]!,
      xorb: xorbs[fields[at + 2]!]!,
      index: fields[at + 3]!,
      hash: hashes.subarray(hashAt, hashAt + HASH_BYTES),
    };
  }
}
