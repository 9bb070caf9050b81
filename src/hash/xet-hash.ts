import { type ChunkKernel, loadChunkKernel } from './chunk-kernel.ts';

/** Keys that tell the kinds of hashes apart, as the Xet protocol fixes them. */
const CHUNK_KEY = '6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229';
const NODE_KEY = '017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f';
const FILE_KEY = '00'.repeat(32);

const HASH_BYTES = 32;
/** Children of a node of the tree: at least 3 where there are as many, at most 9. */
const MIN_CHILDREN = 3;
const MAX_CHILDREN = 9;

/** A chunk of a file or xorb: the hash of its bytes (32), and how many they are. */
export interface HashedChunk {
  readonly hash: Uint8Array;
  readonly length: number;
}

/** The hashes of Xet: BLAKE3 with a key for each kind, and trees of them. */
export interface XetHashes {
  /** The hash of a chunk's bytes, 32 bytes. */
  chunk(bytes: Uint8Array): Uint8Array;
  /** The name of a xorb with these chunks, in order. */
  xorb(chunks: readonly HashedChunk[]): string;
  /** The Xet hash of a file with these chunks, in order. */
  file(chunks: readonly HashedChunk[]): string;
}

let loading: Promise<XetHashes> | undefined;

/** Loads BLAKE3, once for each thread: WebAssembly, so that it needs nothing that is compiled for one system. */
export function loadXetHashes(): Promise<XetHashes> {
  loading ??= load();
  return loading;
}

async function load(): Promise<XetHashes> {
  const kernel = await loadChunkKernel();
  const keyed = kernel === undefined ? await plainHashes() : hashesOf(kernel);
  const [chunk, node, file] = await Promise.all([CHUNK_KEY, NODE_KEY, FILE_KEY].map(keyed));
  const root = (chunks: readonly HashedChunk[]) => {
    let level = chunks;
    while (level.length > 1) level = parents(level, node!);
    return level[0]?.hash ?? new Uint8Array(HASH_BYTES);
  };
  return {
    chunk: chunk!,
    xorb: (chunks) => xetHex(root(chunks)),
    // The hash of an empty file is fixed: zeros.
    file: (chunks) => xetHex(chunks.length === 0 ? root(chunks) : file!(root(chunks))),
  };
}

type KeyedHash = (bytes: Uint8Array) => Uint8Array;

function hashesOf(kernel: ChunkKernel): (key: string) => Promise<KeyedHash> {
  return async (key) => {
    const bytesOfKey = Buffer.from(key, 'hex');
    return (bytes) => kernel.hash(bytes, bytesOfKey);
  };
}

/** Without vectors: a third of the speed. */
async function plainHashes(): Promise<(key: string) => Promise<KeyedHash>> {
  const { createBLAKE3 } = await import('hash-wasm');
  return async (key) => {
    const hasher = await createBLAKE3(HASH_BYTES * 8, Buffer.from(key, 'hex'));
    return (bytes) => hasher.init().update(bytes).digest('binary');
  };
}

/** One level of the tree: the nodes over these children. */
function parents(children: readonly HashedChunk[], hash: KeyedHash): HashedChunk[] {
  const nodes: HashedChunk[] = [];
  for (let start = 0; start < children.length; ) {
    const end = groupEnd(children, start);
    let text = '';
    let length = 0;
    for (let index = start; index < end; index += 1) {
      const child = children[index]!;
      text += `${xetHex(child.hash)} : ${child.length}\n`;
      length += child.length;
    }
    nodes.push({ hash: hash(Buffer.from(text)), length });
    start = end;
  }
  return nodes;
}

/** Where the group of children ends that begins at `start`: behind one whose last number is a multiple of 4. */
function groupEnd(children: readonly HashedChunk[], start: number): number {
  const most = Math.min(children.length, start + MAX_CHILDREN);
  for (let end = start + MIN_CHILDREN; end <= most; end += 1) {
    if ((children[end - 1]!.hash[24]! & 3) === 0) return end;
  }
  return most;
}

/** The text form of a hash: four numbers of 64 bits, little-endian, as 16 hex digits each. */
export function xetHex(hash: Uint8Array): string {
  return swapped(Buffer.from(hash)).toString('hex');
}

/** The bytes of a hash in text form, which must be 64 hex digits. */
export function fromXetHex(text: string): Uint8Array {
  return swapped(Buffer.from(text, 'hex'));
}

function swapped(bytes: Buffer): Buffer {
  return bytes.swap64();
}
