import type { RepoRef, Revision } from '../model/repo.ts';
import { Flush } from '../system/disk/flush.ts';
import type { Environment } from '../system/environment.ts';
import type { CentralCache } from './central-cache.ts';
import { DirectoryRecords } from './directory/directory-records.ts';
import { DirectoryStore } from './directory/directory-store.ts';
import { CacheRecords } from './hub-cache/cache-records.ts';
import { HubCache } from './hub-cache/hub-cache.ts';
import { HubCacheStore } from './hub-cache/hub-cache-store.ts';
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

/** Opens the store of a run. Writes nothing yet. `note` is called with messages for the user. */
export async function openStore(
  options: StoreOptions,
  environment: Environment,
  revision: Revision,
  note?: (message: string) => void,
): Promise<Store> {
  const { directory, endpoint, cache, repo, shard } = options;
  const { platform, ignoresCase, lock } = environment;
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

/** The central cache at a path. Reads nothing yet. */
export function openCache(root: string): CentralCache {
  return new HubCache(root);
}
