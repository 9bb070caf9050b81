import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Flush } from '../../system/disk/flush.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { removeEmptyDirectories } from '../../system/disk/remove-empty-directories.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import type { CachePaths } from './cache-paths.ts';

/**
 * Says which commit a revision is on, without a newline: others compare what they read as it is. The snapshot must be
 * there before, or `hf cache` takes the repository for damaged.
 */
export async function writeRef(
  places: CachePaths,
  revision: string,
  commit: string,
  flush?: Flush,
): Promise<void> {
  const path = places.ref(revision);
  if (readRef(path) === commit) return;
  await ensureDirectory(dirname(path));
  // Not beside it: every file in that directory counts as a ref.
  const temporary = join(places.parts, 'ref.new');
  await writeAtomically(path, commit, flush === undefined ? { temporary } : { temporary, flush });
}

/** Removes a ref and the directories that only it needed. */
export async function removeRef(places: CachePaths, revision: string): Promise<void> {
  const path = places.ref(revision);
  await removeIfThere(path);
  await removeEmptyDirectories(dirname(path), places.refs);
}

export function readRef(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * `hf cache prune` removes snapshots that no ref names. Until a run has ended this one keeps what it has finished; the
 * true ref must not name a commit of which half is missing.
 */
export function unfinishedRef(commit: string): string {
  return `${UNFINISHED_REFS}/${commit.slice(0, 12)}`;
}

export const UNFINISHED_REFS = 'fetch-unfinished';
