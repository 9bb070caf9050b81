import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromXetHex, type HashedChunk } from '../../../src/hash/xet-hash.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');

/** What the official hf-xet 1.8.0 made of a content: its hashes, and its xorb without the footer. */
export interface OfficialFile {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  readonly xorb: string;
  /** Of the xorb, in order. */
  readonly chunks: readonly { readonly hash: string; readonly length: number }[];
}

export const OFFICIAL = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as {
  readonly [Name in 'words' | 'floats' | 'noise' | 'zeros']: OfficialFile;
};

/** Of `noise`, the first chunk only. */
export function officialXorb(name: keyof typeof OFFICIAL): Buffer {
  return readFileSync(join(FIXTURES, `${name}.xorb`));
}

export function hashedChunks({ chunks }: Pick<OfficialFile, 'chunks'>): HashedChunk[] {
  return chunks.map(({ hash, length }) => ({ hash: fromXetHex(hash), length }));
}
