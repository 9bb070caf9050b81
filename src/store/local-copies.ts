import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RemoteFile } from '../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../model/repo.ts';
import type { ContentIndex } from './content-index.ts';
import type { DirectoryRecords } from './directory/directory-records.ts';
import { inSlices } from './in-slices.ts';
import { cachesRepository, openDirectoryRecords, openRecords } from './open-store.ts';

/** Where local copies of the same contents may be. */
export interface LocalCopyRoots {
  /** The target of the download. Never searched. */
  readonly directory: string;
  readonly repo: RepoRef;
  /** Directories that the user named. They may hold any repository. Absolute paths. */
  readonly named: readonly string[];
  /** Also search the directories beside `directory` that hold the same repository. */
  readonly siblings: boolean;
  /** Absolute path of the central cache of `hf`; undefined to skip it. */
  readonly hubCache: string | undefined;
}

/** A parent with more entries than this is not a directory of models: it is not searched. */
const MAX_SIBLINGS = 500;

/**
 * Finds a local file with the same digest for every file that has one, by path. Reads only records, which may be outdated:
 * hash the copy before use.
 */
export async function findLocalCopies(
  roots: LocalCopyRoots,
  files: readonly RemoteFile[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const named = roots.named.map((directory) => openDirectoryRecords(directory));
  const beside = await recordsBeside(roots, signal);
  const indexes = [...named, ...beside].map((records) => records.contents());
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

/** Whether there is any place in which `findLocalCopies` could find a file, whatever is wanted. */
export async function mayHaveLocalCopies(roots: LocalCopyRoots, signal: AbortSignal): Promise<boolean> {
  const { named, hubCache, repo } = roots;
  if (named.length > 0 || (hubCache !== undefined && cachesRepository(hubCache, repo))) return true;
  return (await recordsBeside(roots, signal)).length > 0;
}

/** Records of the directories beside the target that hold the same repository. */
async function recordsBeside(roots: LocalCopyRoots, signal: AbortSignal): Promise<DirectoryRecords[]> {
  const found: DirectoryRecords[] = [];
  const look = (directories: readonly string[]): void => {
    for (const directory of directories) {
      const records = openDirectoryRecords(directory);
      const manifest = records.current();
      if (manifest !== undefined && isSameRepo(manifest.repo, roots.repo)) found.push(records);
    }
  };
  await inSlices(roots.siblings ? neighbours(roots) : [], look, signal);
  return found;
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

/** Undefined if no directory of the cache can have the name of the repository. */
function cachedContents({ hubCache, repo }: LocalCopyRoots): ContentIndex | undefined {
  if (hubCache === undefined) return undefined;
  try {
    return openRecords({ directory: hubCache, repo, cache: { links: true } }).contents();
  } catch {
    return undefined;
  }
}

/** Directories beside the target. */
export function neighbours({ directory }: LocalCopyRoots): string[] {
  const parent = dirname(directory);
  let names: string[];
  try {
    names = readdirSync(parent).slice(0, MAX_SIBLINGS);
  } catch {
    return [];
  }
  return names.filter((name) => name !== basename(directory)).map((name) => join(parent, name));
}
