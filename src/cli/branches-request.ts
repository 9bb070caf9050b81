import { homedir } from 'node:os';
import { join } from 'node:path';
import type { BranchesRequest } from '../library/branches.ts';
import type { Composed } from './compose.ts';

/** What a command line asks about branches: for `fetch branches`, and for `--fits` of a download. */
export function branchesRequest({ target, request }: Composed): BranchesRequest {
  const { endpoint, token, repo, retry, stallTimeoutMs, hubTimeoutMs, offline, network } = request;
  return {
    endpoint,
    token,
    repo,
    retry,
    stallTimeoutMs,
    hubTimeoutMs,
    offline,
    network,
    revision: target.revision,
    mayBeQuantisation: target.revisionOrigin === 'colon',
    variant: target.quantisation,
    cacheFolder: join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'fetch'),
  };
}
