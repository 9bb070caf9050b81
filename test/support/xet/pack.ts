import { createHash } from 'node:crypto';
import { Chunker } from '../../../src/hash/chunker.ts';
import { type HashedChunk, loadXetHashes, xetHex } from '../../../src/hash/xet-hash.ts';
import type { ContentStore } from './content-store.ts';
import { type StoredFile, storedFile } from './fixtures.ts';
import { compressFrame } from './lz4.ts';
import type { Term } from './shard.ts';
import { chunkHeader, parseXorb, SCHEMES, type Scheme } from './xorb.ts';

export interface PackOptions {
  /** `auto` is the shortest; a chunk that does not shrink is stored as it is. */
  readonly scheme?: Scheme | 'auto';
  /** As many as fit into 64 MiB unless told. */
  readonly chunksPerXorb?: number;
}

const MAX_XORB_BYTES = 64 << 20;
const MAX_XORB_CHUNKS = 8192;

interface Known {
  readonly xorb: string;
  readonly index: number;
}

/**
 * Puts any content into a store without a Python: chunks that the store has are used again, as the official client does.
 * Hashes are those of the product, which test/unit/hash proves against the official ones.
 */
export async function pack(
  store: ContentStore,
  content: Buffer,
  options: PackOptions = {},
): Promise<StoredFile> {
  const { scheme = 'auto', chunksPerXorb = MAX_XORB_CHUNKS } = options;
  const hashes = await loadXetHashes();
  const chunks: (HashedChunk & { readonly bytes: Buffer })[] = [];
  let at = 0;
  const found = (length: number): void => {
    const bytes = content.subarray(at, at + length);
    chunks.push({ bytes, length, hash: Uint8Array.from(hashes.chunk(bytes)) });
    at += length;
  };
  const chunker = new Chunker();
  chunker.push(content, found);
  chunker.finish(found);

  const known = knownChunks(store);
  const xetHash = hashes.file(chunks);
  const fresh = new Map<string, (typeof chunks)[number]>();
  for (const chunk of chunks) if (!known.has(xetHex(chunk.hash))) fresh.set(xetHex(chunk.hash), chunk);
  for (const group of grouped([...fresh.values()], chunksPerXorb)) {
    const xorb = hashes.xorb(group);
    store.xorbs.set(
      xorb,
      parseXorb(xorb, Buffer.concat(group.map(({ bytes }) => packedChunk(bytes, scheme)))),
    );
    const names = group.map(({ hash }) => xetHex(hash));
    store.chunkHashes.set(xorb, names);
    for (const [index, name] of names.entries()) known.set(name, { xorb, index });
  }
  const terms = termsOf(
    chunks.map(({ hash, length }) => ({ ...(known.get(xetHex(hash)) as Known), length })),
  );
  const sha256 = createHash('sha256').update(content).digest('hex');
  store.files.set(xetHash, { xetHash, sha256, terms });
  return storedFile(content, xetHash);
}

function knownChunks(store: ContentStore): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const [xorb, names] of store.chunkHashes) {
    for (const [index, name] of names.entries()) known.set(name, { xorb, index });
  }
  return known;
}

function grouped<T extends HashedChunk>(chunks: readonly T[], most: number): T[][] {
  const groups: T[][] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    const last = groups.at(-1);
    bytes += chunk.length;
    if (last !== undefined && last.length < most && bytes <= MAX_XORB_BYTES) last.push(chunk);
    else {
      groups.push([chunk]);
      bytes = chunk.length;
    }
  }
  return groups;
}

function packedChunk(bytes: Buffer, scheme: Scheme | 'auto'): Buffer {
  const tried: readonly Scheme[] = scheme === 'auto' ? SCHEMES : [scheme];
  const forms = tried.map((one) => ({ one, payload: payloadOf(bytes, one) }));
  forms.sort((left, right) => left.payload.length - right.payload.length);
  const best = forms.find(({ payload }) => payload.length < bytes.length) ?? { one: 'none', payload: bytes };
  return Buffer.concat([
    chunkHeader(best.payload.length, bytes.length, SCHEMES.indexOf(best.one as Scheme)),
    best.payload,
  ]);
}

function payloadOf(bytes: Buffer, scheme: Scheme): Buffer {
  if (scheme === 'none') return bytes;
  return compressFrame(scheme === 'lz4' ? bytes : byPlanes(bytes));
}

/** Every fourth byte, four times. */
function byPlanes(bytes: Buffer): Buffer {
  const out = Buffer.alloc(bytes.length);
  let at = 0;
  for (let plane = 0; plane < 4; plane += 1) {
    for (let from = plane; from < bytes.length; from += 4) {
      out[at] = bytes[from] ?? 0;
      at += 1;
    }
  }
  return out;
}

/** Chunks that follow each other in a xorb are one term. */
function termsOf(chunks: readonly (Known & { readonly length: number })[]): Term[] {
  const terms: Term[] = [];
  for (const { xorb, index, length } of chunks) {
    const last = terms.at(-1);
    if (last !== undefined && last.xorb === xorb && last.end === index) {
      terms[terms.length - 1] = { ...last, end: index + 1, length: last.length + length };
    } else terms.push({ xorb, start: index, end: index + 1, length });
  }
  return terms;
}
