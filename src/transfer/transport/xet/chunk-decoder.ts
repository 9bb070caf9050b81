import type { ChunkKernel } from '../../../hash/chunk-kernel.ts';
import { CHUNK_HEADER_BYTES, MAX_CHUNK_BYTES, MAX_PACKED_CHUNK_BYTES } from '../../../model/chunks.ts';
import { unpackLz4Frame } from './lz4-frame.ts';

/** How the payload of a chunk is packed: this way, or with LZ4 (1). */
const PLAIN = 0;
/** The bytes of numbers of four bytes are grouped by their place, then packed with LZ4. */
const GROUPED_LZ4 = 2;

/** Why bytes are no chunks. */
export class MalformedChunk extends Error {}

interface ChunkHeader {
  readonly scheme: number;
  readonly packed: number;
  readonly length: number;
}

/**
 * Takes the bytes of consecutive chunks as they arrive and hands on each chunk, unpacked. Needs room for one chunk. Throws
 * MalformedChunk; which bits of a payload are wrong is only seen by hashes.
 */
export class ChunkDecoder {
  /** The beginning of a chunk whose rest is still to come. */
  readonly #partial: Buffer = Buffer.allocUnsafeSlow(CHUNK_HEADER_BYTES + MAX_PACKED_CHUNK_BYTES);
  #filled = 0;
  readonly #unpack: Unpack;

  /** Without a kernel it unpacks in JavaScript, which takes three times as long. */
  constructor(kernel?: ChunkKernel) {
    this.#unpack = kernel?.unpack ?? plainUnpack();
  }

  /** Whether the bytes so far end with a whole chunk. */
  get atBoundary(): boolean {
    return this.#filled === 0;
  }

  /** Forgets the chunk that has begun. */
  reset(): void {
    this.#filled = 0;
  }

  /** `onChunk` gets the bytes of a chunk, valid during the call, and the bytes that it took in the stream. */
  push(bytes: Buffer, onChunk: (chunk: Buffer, storedBytes: number) => void): void {
    let at = 0;
    if (this.#filled > 0) {
      at = this.#complete(bytes, onChunk);
      if (this.#filled > 0) return;
    }
    while (bytes.length - at >= CHUNK_HEADER_BYTES) {
      const header = readHeader(bytes, at);
      const end = at + CHUNK_HEADER_BYTES + header.packed;
      if (end > bytes.length) break;
      onChunk(this.#chunk(header, bytes.subarray(at + CHUNK_HEADER_BYTES, end)), end - at);
      at = end;
    }
    this.#filled = bytes.copy(this.#partial, 0, at);
  }

  /** Adds what is missing of the chunk that has begun; returns how many bytes were used. */
  #complete(bytes: Buffer, onChunk: (chunk: Buffer, storedBytes: number) => void): number {
    const partial = this.#partial;
    let at = 0;
    const fillTo = (size: number) => {
      const used = bytes.copy(partial, this.#filled, at, at + Math.max(0, size - this.#filled));
      at += used;
      this.#filled += used;
      return this.#filled >= size;
    };
    if (!fillTo(CHUNK_HEADER_BYTES)) return at;
    const header = readHeader(partial, 0);
    const size = CHUNK_HEADER_BYTES + header.packed;
    if (!fillTo(size)) return at;
    this.#filled = 0;
    onChunk(this.#chunk(header, partial.subarray(CHUNK_HEADER_BYTES, size)), size);
    return at;
  }

  #chunk({ scheme, length }: ChunkHeader, payload: Buffer): Buffer {
    if (scheme === PLAIN) {
      if (payload.length !== length) throw new MalformedChunk('a plain chunk of another length');
      return payload;
    }
    const chunk = this.#unpack(payload, length, scheme === GROUPED_LZ4);
    if (chunk === undefined) throw new MalformedChunk('a chunk that cannot be unpacked');
    return chunk;
  }
}

type Unpack = ChunkKernel['unpack'];

function plainUnpack(): Unpack {
  const unpacked = Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES);
  const groups = Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES);
  return (packed, length, isGrouped) => {
    const chunk = unpacked.subarray(0, length);
    const target = isGrouped ? groups.subarray(0, length) : chunk;
    if (!unpackLz4Frame(packed, target)) return undefined;
    if (isGrouped) ungroup(target, chunk);
    return chunk;
  };
}

/** Every number is judged before anything is kept for it. */
function readHeader(bytes: Buffer, at: number): ChunkHeader {
  const version = bytes[at]!;
  const packed = bytes.readUIntLE(at + 1, 3);
  const scheme = bytes[at + 4]!;
  const length = bytes.readUIntLE(at + 5, 3);
  if (version !== 0) throw new MalformedChunk(`a chunk of version ${version}`);
  if (scheme > GROUPED_LZ4) throw new MalformedChunk(`a chunk of the unknown scheme ${scheme}`);
  if (packed === 0 || packed > MAX_PACKED_CHUNK_BYTES)
    throw new MalformedChunk(`a chunk of ${packed} packed bytes`);
  if (length === 0 || length > MAX_CHUNK_BYTES) throw new MalformedChunk(`a chunk of ${length} bytes`);
  return { scheme, packed, length };
}

/** Byte i of the numbers stands in group i mod 4; the groups follow one another. */
function ungroup(grouped: Buffer, target: Buffer): void {
  const { length } = grouped;
  const quarter = length >> 2;
  const rest = length & 3;
  const second = quarter + (rest > 0 ? 1 : 0);
  const third = second + quarter + (rest > 1 ? 1 : 0);
  const fourth = third + quarter + (rest > 2 ? 1 : 0);
  // Four bytes in one store. `target` begins at an offset of 0.
  const words = new Uint32Array(target.buffer, target.byteOffset, quarter);
  for (let index = 0; index < quarter; index += 1) {
    words[index] =
      grouped[index]! |
      (grouped[second + index]! << 8) |
      (grouped[third + index]! << 16) |
      (grouped[fourth + index]! << 24);
  }
  const groups = [0, second, third];
  for (let index = 0; index < rest; index += 1)
    target[quarter * 4 + index] = grouped[groups[index]! + quarter]!;
}
