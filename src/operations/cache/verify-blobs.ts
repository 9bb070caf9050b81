import type { Hasher } from '../../hash/hash-pool.ts';
import { digestMatches } from '../../model/digest.ts';
import type { CachedContent } from '../../store/central-cache.ts';

export interface BlobFinding {
  readonly kind: 'changed' | 'missing';
  /** Relative to the repository's directory in the cache. */
  readonly name: string;
  /** Files that have this content. */
  readonly used: readonly string[];
}

export interface CheckedContents {
  readonly findings: readonly BlobFinding[];
  readonly files: number;
  readonly bytes: number;
  /** Contents without a hash in their name or in a record. */
  readonly unknown: readonly string[];
}

/** Called with the progress of a check. Sizes are bytes. */
export interface BlobProgress {
  planned(files: number, bytes: number): void;
  read(bytes: number): void;
  checked(): void;
}

/** Hashes every content, as many at a time as the hasher has threads. Rejects with the reason of the signal. */
export async function checkBlobs(
  contents: readonly CachedContent[],
  hasher: Hasher,
  watch: BlobProgress,
  signal: AbortSignal,
): Promise<CheckedContents> {
  signal.throwIfAborted();
  const known = contents.flatMap(({ digest, ...content }) =>
    digest === undefined ? [] : [{ ...content, digest }],
  );
  const bytes = known.reduce((sum, { size }) => sum + size, 0);
  watch.planned(known.length, bytes);
  const found = await Promise.all(
    known.map(async ({ name, path, size, digest, used }): Promise<BlobFinding | undefined> => {
      const git = digest.algorithm === 'git-sha1';
      const digests = await hasher.check(path, size, { git, onRead: watch.read }, signal);
      watch.checked();
      return digestMatches(digests, digest) ? undefined : { kind: 'changed', name, used };
    }),
  );
  const unknown = contents.filter(({ digest }) => digest === undefined).map(({ name }) => name);
  const findings = found.filter((finding) => finding !== undefined);
  return { findings, files: known.length, bytes, unknown };
}
