import type { CachedContent } from '../store/hub-cache/cached-contents.ts';
import { digestMatches } from '../store/store.ts';
import type { ThreadHasher } from './thread-hasher.ts';

export interface BlobFinding {
  readonly kind: 'changed' | 'missing';
  /** Relative to the repository's folder in the cache. */
  readonly name: string;
  /** Files that are wrong by it. */
  readonly used: readonly string[];
}

export interface CheckedContents {
  readonly findings: readonly BlobFinding[];
  readonly files: number;
  readonly bytes: number;
  /** Contents whose name is no hash, and of which there is no record either. */
  readonly unknown: readonly string[];
}

/** Hashes contents one after the other. Stops with the reason of the signal. */
export async function checkBlobs(
  contents: readonly CachedContent[],
  hasher: ThreadHasher,
  signal: AbortSignal,
): Promise<CheckedContents> {
  const findings: BlobFinding[] = [];
  let bytes = 0;
  for (const { name, path, size, digest, used } of contents) {
    signal.throwIfAborted();
    if (digest === undefined) continue;
    const follower = hasher.follow(path, size, { git: digest.algorithm === 'git-sha1' });
    try {
      const stop = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      const digests = await Promise.race([follower.digests(), stop]);
      if (!digestMatches(digests, digest)) findings.push({ kind: 'changed', name, used });
    } finally {
      follower.close();
    }
    bytes += size;
  }
  const unknown = contents.filter(({ digest }) => digest === undefined).map(({ name }) => name);
  return { findings, files: contents.length - unknown.length, bytes, unknown };
}
