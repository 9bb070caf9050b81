/** A hash of a file's content, as the Hub identifies it. `hex` is lower case. */
export interface Digest {
  /** `sha256` of the content for LFS and Xet files; `git-sha1` is the id of the git blob, for small files. */
  readonly algorithm: 'sha256' | 'git-sha1';
  /** 64 lower-case hex digits of a sha256, 40 of a git-sha1. */
  readonly hex: string;
}

/** The hashes of a file's content, as computed. */
export interface ContentDigests {
  readonly sha256: string;
  /** The id of the git blob, if the Hub identifies the file by it. */
  readonly gitSha1: string | undefined;
}

/** The digest in an oid of the Hub: 64 hex digits are a sha256, 40 the id of a git blob. */
export function digestOfOid(oid: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/.test(oid)) return { algorithm: 'sha256', hex: oid };
  return /^[0-9a-f]{40}$/.test(oid) ? { algorithm: 'git-sha1', hex: oid } : undefined;
}

/** Compares with every known hash of a file, including one that only a lockfile names. */
export function contentMatches(
  digests: ContentDigests,
  { digest, sha256 }: { readonly digest: Digest | undefined; readonly sha256?: string | undefined },
): boolean {
  return digestMatches(digests, digest) && (sha256 === undefined || digests.sha256 === sha256);
}

export function digestMatches(digests: ContentDigests, expected: Digest | undefined): boolean {
  if (expected === undefined) return true;
  return (expected.algorithm === 'sha256' ? digests.sha256 : digests.gitSha1) === expected.hex;
}
