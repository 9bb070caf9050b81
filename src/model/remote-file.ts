import type { Digest } from './digest.ts';

/** One file of a pinned revision, as its listing describes it. */
export interface RemoteFile {
  /** Relative to the root of the repository, with `/` between folders. Comes from a server: not trusted. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What the content must hash to; undefined where a mirror gives nothing usable, then only the size is checked. */
  readonly digest: Digest | undefined;
  /** Of the content, where a lock file names it beside the git blob: 64 hex digits that must match as well. */
  readonly sha256?: string | undefined;
  /** Of LFS and Xet files, where the hub says it: what stands in git in their place. */
  readonly pointer?: Pointer;
}

/** The git blob that stands for a big file, and its name in Xet storage. Both in lower-case hex. */
export interface Pointer {
  readonly oid: string;
  readonly xetHash: string | undefined;
}
