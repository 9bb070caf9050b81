import { join } from 'node:path';
import type { ListBranchesOptions } from '../../operations/branches/list-branches.ts';
import { cacheHome } from '../../system/hub-environment.ts';
import { hubEnvironment } from './path-option.ts';
import type { ParsedCommand } from './read-command.ts';

/** Options of the branches operation, for `fetch branches` and for `--fits` of a download. */
export function branchesOptions({ target, request }: ParsedCommand): ListBranchesOptions {
  const caches = cacheHome(hubEnvironment());
  return { ...request, repo: target, cacheDirectory: caches && join(caches.path, 'fetch') };
}
