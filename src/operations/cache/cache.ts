import { HashPool } from '../../hash/hash-pool.ts';
import { FetchError } from '../../model/error.ts';
import { nearest } from '../../model/nearest.ts';
import { type RepoRef, repoPath } from '../../model/repo.ts';
import { mayBeCommit } from '../../model/revision-id.ts';
import {
  type CachedRepo,
  type CachedRevision,
  planRemoval,
  type Removal,
} from '../../store/central-cache.ts';
import { openCache } from '../../store/open-store.ts';
import type { Environment } from '../../system/environment.ts';
import { type BlobFinding, type BlobProgress, type CheckedContents, checkBlobs } from './verify-blobs.ts';

/** What a central cache holds, by repository. */
export function listCache(cache: string): readonly CachedRepo[] {
  return openCache(cache).repos();
}

/** A repository of a cache, and the selected revisions of it. */
export interface CachedTarget {
  readonly found: CachedRepo;
  readonly revisions: readonly CachedRevision[];
}

/** `revision` is a branch or tag, a commit or the beginning of one; all of them if it is undefined. */
export function findCached(cache: string, repo: RepoRef, revision: string | undefined): CachedTarget {
  const found = openCache(cache).repo(repo);
  if (found.revisions.length === 0 && found.partBytes === 0 && found.danglingRefs.length === 0) {
    const all = listCache(cache).map((one) => repoPath(one.repo));
    throw new FetchError('NOT_FOUND', `${repoPath(repo)} is not in the cache at ${cache}`, {
      hint: hintOf(nearest(repoPath(repo), all, 3)) ?? 'See `fetch cache ls`.',
    });
  }
  if (revision === undefined) return { found, revisions: found.revisions };
  const named = found.revisions.filter(({ refs }) => refs.includes(revision));
  const revisions =
    named.length > 0 || !mayBeCommit(revision)
      ? named
      : found.revisions.filter(({ commit }) => commit.startsWith(revision));
  if (revisions.length === 1) return { found, revisions };
  const names = found.revisions.flatMap(({ refs, commit }) => [...refs, commit]);
  const what = revisions.length === 0 ? 'is not' : 'is more than one commit';
  throw new FetchError('NOT_FOUND', `${revision} of ${repoPath(repo)} ${what} in the cache at ${cache}`, {
    hint: hintOf(nearest(revision, names, 3)) ?? 'See `fetch cache ls`.',
  });
}

function hintOf(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : `Nearest: ${names.join(', ')}.`;
}

export function planCacheRemoval({ found, revisions }: CachedTarget): Removal {
  return planRemoval(found, new Set(revisions.map(({ commit }) => commit)));
}

/** Returns the unfinished files of other programs that were left in the repository. */
export async function removeFromCache(
  cache: string,
  { found, revisions }: CachedTarget,
  environment: Environment,
): Promise<readonly string[]> {
  const commits = new Set(revisions.map(({ commit }) => commit));
  return await openCache(cache).remove(found.repo, commits, environment.lock);
}

export interface CacheCheck extends CheckedContents {
  readonly found: CachedRepo;
}

/** Hashes every content of these revisions once and compares the hash with its name. */
export async function verifyCached(
  cache: string,
  { found, revisions }: CachedTarget,
  environment: Environment,
  { watch, signal }: { readonly watch: BlobProgress; readonly signal: AbortSignal },
): Promise<CacheCheck> {
  const { contents, broken } = openCache(cache).contents(found.repo, revisions);
  await using hasher = new HashPool(environment.processors, { inlineBytes: 0 });
  const checked = await checkBlobs(contents, hasher, watch, signal);
  const missing = broken.map((name): BlobFinding => ({ kind: 'missing', name, used: [name] }));
  return { found, ...checked, findings: [...missing, ...checked.findings] };
}
