/** Compression of a chunk, as its header says. */
export const SCHEMES = ['none', 'lz4', 'bg4'] as const;
export type Scheme = (typeof SCHEMES)[number];

export const HEADER_BYTES = 8;

/** One chunk in a xorb. Offsets and lengths are bytes. */
export interface StoredChunk {
  /** Of its header. */
  readonly offset: number;
  /** Header and payload. */
  readonly stored: number;
  readonly length: number;
  readonly scheme: Scheme;
}

/** Chunks one behind the other, without the footer that only disks have. */
export interface StoredXorb {
  readonly hash: string;
  readonly data: Buffer;
  readonly chunks: readonly StoredChunk[];
}

export function chunkHeader(stored: number, length: number, scheme: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntLE(stored, 1, 3);
  header[4] = scheme;
  header.writeUIntLE(length, 5, 3);
  return header;
}

/** Reads what a client has uploaded. Throws on anything that the format does not allow. */
export function parseXorb(hash: string, uploaded: Buffer): StoredXorb {
  const chunks: StoredChunk[] = [];
  let at = 0;
  // The footer begins with a name instead of a version.
  while (at < uploaded.length && uploaded.toString('latin1', at, at + 7) !== 'XETBLOB') {
    const scheme = SCHEMES[uploaded[at + 4] ?? -1];
    const stored = HEADER_BYTES + uploaded.readUIntLE(at + 1, 3);
    if (uploaded[at] !== 0 || scheme === undefined || at + stored > uploaded.length) {
      throw new Error(`no chunk at ${at} of xorb ${hash}`);
    }
    chunks.push({ offset: at, stored, length: uploaded.readUIntLE(at + 5, 3), scheme });
    at += stored;
  }
  return { hash, data: uploaded.subarray(0, at), chunks };
}
