import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RemoteFile } from '../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../model/repo.ts';
import type { ContentIndex } from './content-index.ts';
import { inSlices } from './in-slices.ts';
import { openDirectoryRecords, openRecords } from './open-store.ts';

/** Where local copies of the same contents may be. */
export interface LocalCopyRoots {
  /** The directory that is being filled: no copy comes from here. */
  readonly directory: string;
  readonly repo: RepoRef;
  /** Named by the user: of whatever repository. Absolute. */
  readonly named: readonly string[];
  /** Also search the directories beside `directory` that hold the same repository. */
  readonly siblings: boolean;
  /** The central cache of `hf`, absolute; undefined to leave it alone. */
  readonly hubCache: string | undefined;
}

/** A parent with more entries than this is not a directory of models: it is not searched. */
const MAX_SIBLINGS = 500;

/**
 * For each file that is on this machine as a whole, where. Nothing is read here: the record may be outdated, and the content is
 * hashed after it was copied.
 */
export async function findLocalCopies(
  roots: LocalCopyRoots,
  files: readonly RemoteFile[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const indexes = roots.named.map((directory) => openDirectoryRecords(directory).contents());
  const beside = roots.siblings ? neighbours(roots) : [];
  const look = (directories: readonly string[]): void => {
    for (const directory of directories) {
      const records = openDirectoryRecords(directory);
      const manifest = records.current();
      if (manifest !== undefined && isSameRepo(manifest.repo, roots.repo)) indexes.push(records.contents());
    }
  };
  await inSlices(beside, look, signal);
  const cached = cachedContents(roots);
  if (cached !== undefined) indexes.push(cached);
  const copies = new Map<string, string>();
  const find = (slice: readonly RemoteFile[]): void => {
    for (const file of slice) {
      const path = wholeCopy(indexes, file);
      if (path !== undefined) copies.set(file.path, path);
    }
  };
  await inSlices(files, find, signal);
  return copies;
}

function wholeCopy(indexes: readonly ContentIndex[], file: RemoteFile): string | undefined {
  for (const index of indexes) {
    const whole = index
      .find(file)
      .find(({ ranges: [first] }) => first?.start === 0 && first.end === file.size);
    if (whole !== undefined) return whole.path;
  }
  return undefined;
}

/** Undefined for a repository that no directory of the cache can be named after. */
function cachedContents({ hubCache, repo }: LocalCopyRoots): ContentIndex | undefined {
  if (hubCache === undefined) return undefined;
  try {
    return openRecords({ directory: hubCache, repo, cache: { links: true } }).contents();
  } catch {
    return undefined;
  }
}

/** Directories beside the target. */
function neighbours({ directory }: LocalCopyRoots): string[] {
  const parent = dirname(directory);
  let names: string[];
  try {
    names = readdirSync(parent).slice(0, MAX_SIBLINGS);
  } catch {
    return [];
  }
  return names.filter((name) => name !== basename(directory)).map((name) => join(parent, name));
}
