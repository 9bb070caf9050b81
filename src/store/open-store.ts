import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RepoRef, Revision } from '../model/repo.ts';
import { Flush } from '../system/disk/flush.ts';
import type { RunContext } from '../system/run-context.ts';
import type { CentralCache } from './central-cache.ts';
import { DirectoryRecords } from './directory/directory-records.ts';
import { DirectoryRevisions } from './directory/directory-revisions.ts';
import { DirectoryStore } from './directory/directory-store.ts';
import { inside, STATE_DIRECTORY } from './directory/layout.ts';
import type { HeldRevisions } from './held-revision.ts';
import { CachePaths } from './hub-cache/cache-paths.ts';
import { CacheRecords } from './hub-cache/cache-records.ts';
import { CacheRevisions } from './hub-cache/cache-revisions.ts';
import { HubCache } from './hub-cache/hub-cache.ts';
import { HubCacheStore } from './hub-cache/hub-cache-store.ts';
import { CHUNKS_DIRECTORY, ChunkRecords } from './records/chunk-records.ts';
import type { Records } from './records/records.ts';
import type { Store } from './store.ts';

/** How files are stored in a central cache. */
export interface CacheChoice {
  /** False: write files instead of links, even if links work. */
  readonly links: boolean;
}

/** Most models have fewer small files; a worker for more of them takes some megabytes. */
const PARTS_BEFORE_WORKER = 64;

/** A model directory, or a repository in a central cache. */
export interface StoreLocation {
  /** Absolute; with `cache`, the root of the cache. */
  readonly directory: string;
  readonly repo: RepoRef;
  readonly cache?: CacheChoice | undefined;
}

/** Where a run stores its files. */
export interface StoreOptions extends StoreLocation {
  readonly endpoint: string;
  /** Which one of several runs that share the work on the directory. */
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
}

/** The store of a run. Writes nothing yet. */
export function openStore(
  options: StoreOptions,
  revision: Revision,
  { environment, emit }: RunContext,
): Store {
  const { directory, endpoint, cache, repo, shard } = options;
  const { platform, ignoresCase, lock } = environment;
  const note = (message: string) => emit({ type: 'note', message });
  const common = {
    partsBeforeWorker: PARTS_BEFORE_WORKER,
    endpoint,
    revision,
    platform,
    ignoresCase,
    lock,
    note,
    flush: new Flush(note),
  };
  if (cache === undefined) {
    const share = shard === undefined ? undefined : `${shard.index}-of-${shard.count}`;
    return new DirectoryStore({ directory, share, ...common });
  }
  return new HubCacheStore({ cache: directory, repo, links: cache.links, ...common });
}

/** The records at a location. Reads nothing yet. */
export function openRecords({ directory, repo, cache }: StoreLocation): Records {
  return cache === undefined ? new DirectoryRecords(directory) : new CacheRecords(directory, repo);
}

/** The records of a model directory, which have more than those of a cache. Reads nothing yet. */
export function openDirectoryRecords(directory: string): DirectoryRecords {
  return new DirectoryRecords(directory);
}

/** The chunks of files at a location, as far as they are on record. Reads nothing yet. */
export function openChunkRecords({ directory, repo, cache }: StoreLocation): ChunkRecords {
  return cache === undefined
    ? openDirectoryChunkRecords(directory)
    : new ChunkRecords(join(new CachePaths(directory, repo).state, CHUNKS_DIRECTORY));
}

/** The same of a model directory. */
export function openDirectoryChunkRecords(directory: string): ChunkRecords {
  return new ChunkRecords(inside(directory, `${STATE_DIRECTORY}/${CHUNKS_DIRECTORY}`));
}

/** The central cache at a path. Reads nothing yet. */
export function openCache(root: string): CentralCache {
  return new HubCache(root);
}

/** What a model directory holds, for reading. Reads nothing yet. */
export function openDirectoryRevisions(directory: string): HeldRevisions {
  return new DirectoryRevisions(directory);
}

/** Whether a run of fetch works on a directory, or has worked on it. */
export function hasState(directory: string): boolean {
  return existsSync(inside(directory, STATE_DIRECTORY));
}

/** Whether the central cache at a path has a directory for this repository. */
export function cachesRepository(root: string, repo: RepoRef): boolean {
  try {
    return existsSync(new CachePaths(root, repo).repo);
  } catch {
    // No directory of the cache can have this name.
    return false;
  }
}

/** What the central cache at a path holds, for reading. Reads nothing yet. */
export function openCacheRevisions(root: string): HeldRevisions {
  return new CacheRevisions(root);
}
