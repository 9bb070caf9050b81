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
  signal.throwIfAborted();
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
  });
  stopped.catch(() => {});
  signal.addEventListener('abort', stop);
  try {
    return await hashAll(contents, hasher, stopped);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function hashAll(
  contents: readonly CachedContent[],
  hasher: ThreadHasher,
  stopped: Promise<never>,
): Promise<CheckedContents> {
  const findings: BlobFinding[] = [];
  let bytes = 0;
  for (const { name, path, size, digest, used } of contents) {
    if (digest === undefined) continue;
    const follower = hasher.follow(path, size, { git: digest.algorithm === 'git-sha1' });
    try {
      const digests = await Promise.race([follower.digests(), stopped]);
      if (!digestMatches(digests, digest)) findings.push({ kind: 'changed', name, used });
    } finally {
      follower.close();
    }
    bytes += size;
  }
  const unknown = contents.filter(({ digest }) => digest === undefined).map(({ name }) => name);
  return { findings, files: contents.length - unknown.length, bytes, unknown };
}
