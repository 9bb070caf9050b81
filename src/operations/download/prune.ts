import { HashPool } from '../../hash/hash-pool.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { openDirectoryRecords } from '../../store/open-store.ts';
import { localPath } from '../../store/paths/safe-path.ts';
import type { ManifestEntry } from '../../store/records/manifest.ts';
import { regularFile } from '../../system/disk/regular-file.ts';
import type { RunContext } from '../../system/run-context.ts';

/** Files of an older revision that are still in a directory. */
export interface StaleFiles {
  /** Downloaded by us and unchanged: may be deleted. */
  readonly prunable: readonly ManifestEntry[];
  /** Downloaded by us and edited since: kept. */
  readonly edited: readonly ManifestEntry[];
}

/** Hashes stale files and returns those that are unchanged since their download. */
export async function findStaleFiles(
  directory: string,
  revision: Revision,
  listing: readonly RemoteFile[],
  { signal }: RunContext,
): Promise<StaleFiles> {
  const prunable: ManifestEntry[] = [];
  const edited: ManifestEntry[] = [];
  await using hasher = new HashPool();
  for (const file of openDirectoryRecords(directory).staleFiles(revision.repo, listing)) {
    signal.throwIfAborted();
    const path = localPath(directory, file.path);
    const sameSize = regularFile(path)?.size === file.size;
    const digests = sameSize ? await hasher.check(path, file.size, { git: false }, signal) : undefined;
    (digests?.sha256 === file.sha256 ? prunable : edited).push(file);
  }
  return { prunable, edited };
}

/** Deletes unchanged stale files, and reports what is kept and why. */
export async function prune(
  directory: string,
  { prunable, edited }: StaleFiles,
  { emit, signal }: RunContext,
): Promise<void> {
  const records = openDirectoryRecords(directory);
  for (const { path } of prunable) {
    signal.throwIfAborted();
    await records.removeFile(path);
    emit({ type: 'note', message: `deleted ${path}: the revision does not have it any more` });
  }
  for (const { path } of edited) {
    emit({
      type: 'note',
      message: `kept ${path}: the revision does not have it any more, but it was edited here`,
    });
  }
}
