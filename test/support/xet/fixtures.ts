import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type HubFile, xetFile } from '../hub/repositories/file.ts';
import type { ContentStore } from './content-store.ts';
import { bfloat16, float32, random, versions } from './contents.ts';
import type { Term } from './shard.ts';
import { parseXorb } from './xorb.ts';

const FIXTURES = new URL('./fixtures/', import.meta.url);

const small = versions({ tensors: 10, tensorBytes: 90_000, changed: 4 });

export type FixtureName = 'bfloat16' | 'float32' | 'random' | 'zeros' | 'tiny' | 'empty' | 'a' | 'b' | 'c';

/** What the official client was given; small, because its xorbs are checked in. */
export const FIXTURE_CONTENTS: Readonly<Record<FixtureName, Buffer>> = {
  bfloat16: bfloat16(1, 200_000),
  float32: float32(2, 200_000),
  random: random(3, 150_000),
  // One chunk in many places.
  zeros: Buffer.alloc(1_000_000),
  tiny: Buffer.from('A file of one short chunk.'),
  empty: Buffer.alloc(0),
  ...small,
};

/** What the official client made of a content. */
export interface OfficialFile {
  readonly size: number;
  readonly sha256: string;
  readonly xetHash: string;
  readonly terms: readonly Term[];
  readonly chunks: readonly { readonly hash: string; readonly length: number }[];
}

/** `fixtures/official.json`. Each xorb is a file beside it, named by the first 16 digits of its hash. */
export interface OfficialFixtures {
  readonly madeBy: string;
  readonly files: Readonly<Record<FixtureName, OfficialFile>>;
  /** Hashes, and those of the chunks in each. */
  readonly xorbs: Readonly<Record<string, readonly string[]>>;
}

export interface StoredFile {
  readonly content: Buffer;
  readonly xetHash: string;
  /** As a file of a test hub. */
  file(path: string): HubFile;
}

export function officialFixtures(): OfficialFixtures {
  return JSON.parse(readFileSync(new URL('official.json', FIXTURES), 'utf8')) as OfficialFixtures;
}

export function xorbFile(hash: string): string {
  return fileURLToPath(new URL(`${hash.slice(0, 16)}.xorb`, FIXTURES));
}

/** Puts a file that the official client has made into a store, with the xorbs that it needs. */
export function addFixture(store: ContentStore, name: FixtureName): StoredFile {
  const official = officialFixtures();
  const { xetHash, sha256, terms } = official.files[name];
  for (const { xorb } of terms) {
    if (store.xorbs.has(xorb)) continue;
    store.xorbs.set(xorb, parseXorb(xorb, readFileSync(xorbFile(xorb))));
    store.chunkHashes.set(xorb, official.xorbs[xorb] ?? []);
  }
  store.files.set(xetHash, { xetHash, sha256, terms });
  return storedFile(FIXTURE_CONTENTS[name], xetHash);
}

export function storedFile(content: Buffer, xetHash: string): StoredFile {
  return { content, xetHash, file: (path) => xetFile(path, content, xetHash) };
}
