/** Limits of the Xet format, in bytes: a chunk, and the header that it is stored with. */
export const MAX_CHUNK_BYTES: number = 128 * 1024;
export const CHUNK_HEADER_BYTES = 8;
/** A chunk as it is stored, without its header. */
export const MAX_PACKED_CHUNK_BYTES: number = 2 * MAX_CHUNK_BYTES;

/** Chunks of one xorb that follow each other in a file. Says nothing about the length of each: the store does not tell it. */
export interface XetTerm {
  /** Hash of the xorb, 64 hex digits in Xet's order. */
  readonly xorb: string;
  /** First chunk in the xorb. */
  readonly start: number;
  /** The chunk behind the last one. */
  readonly end: number;
  /** Bytes of all these chunks, unpacked. */
  readonly length: number;
}

/** Chunks of one xorb that follow each other in a file, and how long each is. */
export interface ChunkRun {
  readonly xorb: string;
  /** First chunk in the xorb. */
  readonly first: number;
  /** Bytes of each chunk, unpacked. */
  readonly lengths: readonly number[];
}
