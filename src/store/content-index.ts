import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';

/** A local file that holds some or all bytes of a content. */
export interface LocalContent {
  /** Absolute path. Every byte is at its own offset. */
  readonly path: string;
  /** The bytes that are there, ascending and disjoint: the whole file, or what an unfinished download has written. */
  readonly ranges: readonly ByteRange[];
  /** True if fetch hashed the file and it has not changed since. If false, hash the bytes before use. */
  readonly verified: boolean;
}

/** Finds contents by digest, under any name. */
export interface ContentIndex {
  /**
   * Local files with the content of a file, finished files first. Empty for a file of 0 bytes or without a digest. Reads
   * the records once, at the first call.
   */
  find(file: RemoteFile): readonly LocalContent[];
}
