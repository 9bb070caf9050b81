import type { RepoRef, Revision } from '../model/repo.ts';
import { Flush } from '../system/disk/flush.ts';
import type { Environment } from '../system/environment.ts';
import { DirectoryStore } from './directory/directory-store.ts';
import { HubCacheStore } from './hub-cache/hub-cache-store.ts';
import type { Store } from './store.ts';

/** How files go into a central cache. */
export interface CacheChoice {
  /** False: files instead of links, also where links work. */
  readonly links: boolean;
}

/** Where the files of a run go, and in whose company. */
export interface StorePlace {
  /** Absolute. */
  readonly directory: string;
  readonly endpoint: string;
  readonly repo: RepoRef;
  readonly cache?: CacheChoice | undefined;
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
}

/** The store of a run: a directory of one's own, or the repository in a central cache. */
export async function openStore(
  place: StorePlace,
  environment: Environment,
  revision: Revision,
  note?: (message: string) => void,
): Promise<Store> {
  const { directory, endpoint, cache, repo, shard } = place;
  const { platform, ignoresCase, lock } = environment;
  const options = { endpoint, revision, platform, ignoresCase, lock, note, flush: new Flush(note) };
  if (cache === undefined) {
    const share = shard === undefined ? undefined : `${shard.index}-of-${shard.count}`;
    return new DirectoryStore({ directory, share, ...options });
  }
  return new HubCacheStore({ cache: directory, repo, links: cache.links, ...options });
}
