import type { Revision } from '../../src/model/repo.ts';
import { HubCacheStore } from '../../src/store/hub-cache/hub-cache-store.ts';
import { Flush } from '../../src/system/disk/flush.ts';
import type { ProcessContext } from '../../src/system/process-identity.ts';
import { lockContext, revision } from './store-kit.ts';

export interface HubCacheStoreSettings {
  /** The root of the cache. */
  readonly directory: string;
  readonly revision?: Revision;
  readonly lock?: ProcessContext;
  readonly flush?: Flush;
  readonly links?: boolean;
}

export function hubCacheStore({ directory, ...settings }: HubCacheStoreSettings): HubCacheStore {
  return new HubCacheStore({
    cache: directory,
    repo: (settings.revision ?? revision()).repo,
    revision: revision(),
    lock: lockContext(),
    flush: new Flush(),
    endpoint: 'https://hub.example',
    platform: process.platform === 'win32' ? 'win32' : 'posix',
    ignoresCase: false,
    links: true,
    ...settings,
  });
}
