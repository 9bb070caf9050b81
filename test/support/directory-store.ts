import type { Revision } from '../../src/model/repo.ts';
import { DirectoryStore } from '../../src/store/directory/directory-store.ts';
import { Flush } from '../../src/system/disk/flush.ts';
import type { ProcessContext } from '../../src/system/process-identity.ts';
import { lockContext, revision } from './store-kit.ts';

export interface DirectoryStoreSettings {
  readonly directory: string;
  readonly revision?: Revision;
  readonly lock?: ProcessContext;
  readonly flush?: Flush;
}

export function directoryStore(settings: DirectoryStoreSettings): DirectoryStore {
  return new DirectoryStore({
    revision: revision(),
    lock: lockContext(),
    flush: new Flush(),
    endpoint: 'https://hub.example',
    platform: process.platform === 'win32' ? 'win32' : 'posix',
    ignoresCase: false,
    ...settings,
  });
}
