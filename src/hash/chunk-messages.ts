import type { ReadFailure } from './hash-messages.ts';

/** The chunks of a file, in order. */
export interface FileChunks {
  /** Bytes of each chunk. */
  readonly lengths: readonly number[];
  /** Of these chunks: only where it is the one that the file is known by are they the chunks of its uploader. */
  readonly xetHash: string;
}

/** What the thread answers. */
export type ChunkReply =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'chunks'; readonly chunks: FileChunks }
  | ({ readonly kind: 'failed' } & ReadFailure);

/** What the thread is given. */
export interface ChunkedFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes: a file of another size fails. */
  readonly size: number;
}
