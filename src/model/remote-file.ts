import type { Digest } from './digest.ts';

/** One file of a pinned revision, as its listing describes it. */
export interface RemoteFile {
  /** Relative to the root of the repository, with `/` between directories. Comes from a server: do not trust it. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The hash that the content must have. Undefined if a mirror gives none: then only the size is checked. */
  readonly digest: Digest | undefined;
  /**
   * A second hash that must match: the sha256 in a lockfile, for a file that the Hub identifies by its git blob. 64
   * hex digits.
   */
  readonly sha256?: string | undefined;
  /** The git blob behind an LFS or Xet file, if the source names it. */
  readonly pointer?: Pointer;
  /** Why the file cannot be fetched as it is, as a sentence about it; undefined if it can. */
  readonly unfit?: string;
}

/** The known files of a revision. */
export interface Listing {
  readonly files: readonly RemoteFile[];
  /** Whether these are all of them. */
  readonly complete: boolean;
}

/** The git blob that stands for a large file, and the file's hash in Xet storage. Both in lower-case hex. */
export interface Pointer {
  readonly oid: string;
  readonly xetHash: string | undefined;
}
