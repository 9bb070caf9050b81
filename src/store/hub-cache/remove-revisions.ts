import { readdirSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepoRef } from '../../model/repo.ts';
import { CreatedDirectories } from '../../system/disk/created-directories.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { planRemoval } from '../central-cache.ts';
import { DirectoryLock } from '../directory-lock.ts';
import { CachePaths, TRANSFER_PREFIX } from './cache-paths.ts';
import { removeRef, unfinishedRef } from './refs.ts';
import { scanRepo } from './scan-cache.ts';

/**
 * Removes revisions of a repository. Throws LOCKED while a run of fetch downloads into it. Removes first the refs, then the
 * links, then the blobs, so that no link points to a removed blob. Incomplete files and locks of `hf` stay. Returns the
 * names of its unfinished files.
 */
export async function removeRevisions(
  cache: string,
  repo: RepoRef,
  commits: ReadonlySet<string>,
  lock: ProcessContext,
): Promise<string[]> {
  const paths = new CachePaths(cache, repo);
  const directories = new CreatedDirectories();
  await onDisk(paths.state, () => directories.make(paths.state));
  try {
    await using _held = await DirectoryLock.take(paths.lock, lock, { elsewhere: '--cache-dir' });
    return await onDisk(paths.repo, () => removeAll(paths, repo, commits));
  } finally {
    await directories.removeEmpty();
    await rmdir(paths.state).catch(() => {});
  }
}

async function removeAll(paths: CachePaths, repo: RepoRef, commits: ReadonlySet<string>): Promise<string[]> {
  // Scanned again: another process may have added a revision since the first scan.
  const found = scanRepo(paths, repo);
  const { revisions, blobs, whole } = planRemoval(found, commits);
  for (const { commit, refs, path } of revisions) {
    for (const ref of refs) await removeRef(paths, ref);
    await removeRef(paths, unfinishedRef(commit));
    await rm(path, { recursive: true, force: true });
    await removeIfThere(paths.tree(commit));
    await removeIfThere(paths.manifest(commit));
    for (const record of Object.values(paths.transfer(commit))) await removeIfThere(record);
    await rm(join(paths.repo, '.no_exist', commit), { recursive: true, force: true });
  }
  if (whole) for (const ref of found.danglingRefs) await removeRef(paths, ref);
  const gone = whole ? blobNames(paths).filter((name) => !isTheirs(name)) : blobs;
  for (const name of gone) await removeIfThere(paths.blob(name));
  if (!whole) return [];
  await rm(paths.parts, { recursive: true, force: true });
  await rm(join(paths.state, 'manifests'), { recursive: true, force: true });
  await removeIfThere(join(paths.state, 'hashed.jsonl'));
  for (const name of namesIn(paths.state))
    if (name.startsWith(TRANSFER_PREFIX)) await removeIfThere(join(paths.state, name));
  const theirs = blobNames(paths);
  // hf treats a repository without that directory as damaged.
  const emptied = theirs.length > 0 ? [] : [paths.blobs, paths.snapshots];
  const rest = [paths.refs, join(paths.repo, 'trees'), join(paths.repo, '.no_exist')];
  for (const directory of [...rest, ...emptied, paths.repo]) await rmdir(directory).catch(() => {});
  return theirs;
}

function isTheirs(blob: string): boolean {
  return blob.endsWith('.incomplete');
}

function blobNames(paths: CachePaths): string[] {
  return namesIn(paths.blobs);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
