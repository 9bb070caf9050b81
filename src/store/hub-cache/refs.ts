import { dirname, join } from 'node:path';
import type { Flush } from '../../system/disk/flush.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { removeEmptyDirectories } from '../../system/disk/remove-empty-directories.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { readRecord } from '../records/read-record.ts';
import type { CachePaths } from './cache-paths.ts';

/**
 * Writes the commit of a revision, without a newline: other programs compare the file as it is. The snapshot must exist
 * before, or `hf cache` reports the repository as damaged.
 */
export async function writeRef(
  paths: CachePaths,
  revision: string,
  commit: string,
  flush?: Flush,
): Promise<void> {
  const path = paths.ref(revision);
  if (readRef(path) === commit) return;
  await ensureDirectory(dirname(path));
  // Not beside it, because every file below `refs` counts as a ref.
  const temporary = join(paths.parts, 'ref.new');
  await writeAtomically(path, commit, flush === undefined ? { temporary } : { temporary, flush });
}

/** Removes a ref and the directories that become empty. */
export async function removeRef(paths: CachePaths, revision: string): Promise<void> {
  const path = paths.ref(revision);
  await removeIfThere(path);
  await removeEmptyDirectories(dirname(path), paths.refs);
}

/** The commit of a ref; undefined if there is no such ref. */
export function readRef(path: string): string | undefined {
  return readRecord(path);
}

/**
 * The name of a ref that protects an unfinished snapshot: `hf cache prune` removes snapshots without a ref, and the ref of
 * the branch must not name an incomplete commit.
 */
export function unfinishedRef(commit: string): string {
  return `${UNFINISHED_REFS}/${commit.slice(0, 12)}`;
}

export const UNFINISHED_REFS = 'fetch-unfinished';
