import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';

/** Bytes of a content that are on this machine. */
export interface LocalContent {
  /** Absolute path of the file that holds them, at their own offsets. */
  readonly path: string;
  /** Ascending and disjoint. All of the file, or what an unfinished download has written. */
  readonly ranges: readonly ByteRange[];
  /** We hashed the file, and nothing touched it since. Otherwise only its hash tells whether it is that content. */
  readonly verified: boolean;
}

/** Finds contents by their digest, wherever and under whatever name a store holds them. */
export interface ContentIndex {
  /**
   * Where the content of a file is, finished files first. Empty for an empty file and for one without a digest. Records are
   * read once, at the first call.
   */
  find(file: RemoteFile): readonly LocalContent[];
}
