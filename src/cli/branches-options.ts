import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ListBranchesOptions } from '../api/list-branches.ts';
import type { Composed } from './compose.ts';

/** What a command line asks about branches: for `fetch branches`, and for `--fits` of a download. */
export function branchesOptions({ target, request }: Composed): ListBranchesOptions {
  const { endpoint, token, retry, stallTimeoutMs, hubTimeoutMs, offline, network } = request;
  return {
    endpoint,
    token,
    retry,
    stallTimeoutMs,
    hubTimeoutMs,
    offline,
    network,
    repo: target,
    cacheFolder: join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'fetch'),
  };
}
