/** A hash of a file's content as the Hub names it. `hex` is lower case. */
export interface Digest {
  /** `sha256` of the content for LFS and Xet files; `git-sha1` is the id of the git blob, for small files. */
  readonly algorithm: 'sha256' | 'git-sha1';
  readonly hex: string;
}

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

/** What the Hub's name for a content says: 64 hex digits are a sha256, 40 the id of a git blob. */
export function digestOfOid(oid: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/.test(oid)) return { algorithm: 'sha256', hex: oid };
  return /^[0-9a-f]{40}$/.test(oid) ? { algorithm: 'git-sha1', hex: oid } : undefined;
}
