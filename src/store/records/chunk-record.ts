import { type ChunkRun, MAX_CHUNK_BYTES } from '../../model/chunks.ts';

/** Which chunks a file consists of: written when it came as chunks, read when a newer version of it is fetched. */
export interface ChunkRecord {
  /** 64 hex digits. */
  readonly xetHash: string;
  /** Bytes. */
  readonly size: number;
  /** All chunks, in the order of the file. */
  readonly runs: readonly ChunkRun[];
}

const MAGIC = 'fetch chunks 1\n';
const HASH_BYTES = 32;
const NUMBER_BYTES = 4;
/** Of the Xet protocol. */
const MAX_CHUNKS_IN_XORB = 65_536;

/**
 * Magic, Xet hash, size (8 bytes), then for each run: hash of the xorb, first chunk, number of chunks, length of each; all
 * numbers of 4 bytes unless said otherwise, little-endian. About 4 bytes for 64 KiB of the file.
 */
export function encodeChunkRecord({ xetHash, size, runs }: ChunkRecord): Buffer {
  const bytes = runs.reduce(
    (sum, { lengths }) => sum + HASH_BYTES + NUMBER_BYTES * (2 + lengths.length),
    MAGIC.length + HASH_BYTES + 2 * NUMBER_BYTES,
  );
  const out = Buffer.alloc(bytes);
  let at = out.write(MAGIC, 'latin1');
  at += out.write(xetHash, at, 'hex');
  at = out.writeBigUInt64LE(BigInt(size), at);
  for (const { xorb, first, lengths } of runs) {
    at += out.write(xorb, at, 'hex');
    at = out.writeUInt32LE(first, at);
    at = out.writeUInt32LE(lengths.length, at);
    for (const length of lengths) at = out.writeUInt32LE(length, at);
  }
  return out;
}

/**
 * Undefined for anything that is damaged, of another version, or that no file can consist of. A record that lies in
 * another way costs time only: what is copied is hashed.
 */
export function decodeChunkRecord(bytes: Buffer): ChunkRecord | undefined {
  let at = MAGIC.length;
  if (bytes.toString('latin1', 0, at) !== MAGIC || bytes.length < at + HASH_BYTES + 2 * NUMBER_BYTES)
    return undefined;
  const hash = (): string => {
    at += HASH_BYTES;
    return bytes.toString('hex', at - HASH_BYTES, at);
  };
  const number = (): number => {
    at += NUMBER_BYTES;
    return bytes.readUInt32LE(at - NUMBER_BYTES);
  };
  const xetHash = hash();
  const size = Number(bytes.readBigUInt64LE(at));
  at += 2 * NUMBER_BYTES;
  const runs: ChunkRun[] = [];
  let total = 0;
  while (at < bytes.length) {
    if (bytes.length - at < HASH_BYTES + 2 * NUMBER_BYTES) return undefined;
    const xorb = hash();
    const first = number();
    const count = number();
    if (count === 0 || first + count > MAX_CHUNKS_IN_XORB || bytes.length - at < count * NUMBER_BYTES)
      return undefined;
    const lengths = Array.from({ length: count }, number);
    if (lengths.some((length) => length === 0 || length > MAX_CHUNK_BYTES)) return undefined;
    total += lengths.reduce((sum, length) => sum + length, 0);
    runs.push({ xorb, first, lengths });
  }
  return total === size ? { xetHash, size, runs } : undefined;
}
