import { join } from 'node:path';
import type { ListBranchesOptions } from '../api/list-branches.ts';
import { cacheHome } from '../system/hub-folders.ts';
import type { Composed } from './compose.ts';
import { surroundings } from './places.ts';

/** What a command line asks about branches: for `fetch branches`, and for `--fits` of a download. */
export function branchesOptions({ target, request }: Composed): ListBranchesOptions {
  const { endpoint, token, retry, stallTimeoutMs, hubTimeoutMs, offline, network } = request;
  const caches = cacheHome(surroundings());
  return {
    endpoint,
    token,
    retry,
    stallTimeoutMs,
    hubTimeoutMs,
    offline,
    network,
    repo: target,
    cacheFolder: caches && join(caches.path, 'fetch'),
  };
}
