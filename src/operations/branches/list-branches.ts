import type { BranchTable } from '../../model/branch-facts.ts';
import { type HubOptions, hubAccess, type RunOptions } from '../options.ts';
import { withRunContext } from '../run.ts';
import { type TargetOptions, targetOf } from '../target.ts';
import { describeBranches } from './describe-revisions.ts';

/** Which branches of which repository. With a revision, that one in full. */
export interface ListBranchesOptions extends TargetOptions, HubOptions, RunOptions {
  /** Absolute path of a folder for answers that never change, to ask less the next time; none if left out. */
  readonly cacheFolder?: string | undefined;
}

/**
 * What is in each branch: bits, group size, format, size, each fact with the file that says so. What could not be read
 * of a branch is among its `problems`.
 *
 * Rejects with a FetchError: USAGE, NOT_FOUND, ACCESS, NETWORK or ABORTED. Prints nothing.
 */
export async function listBranches(options: ListBranchesOptions): Promise<BranchTable> {
  return await withRunContext(options, async ({ environment, emit, signal }) => {
    const access = hubAccess(options);
    const { repo, revision, revisionOrigin, quantisation } = targetOf(options, access.endpoint);
    const request = {
      ...access,
      repo,
      revision,
      mayBeQuantisation: revisionOrigin === 'colon',
      variant: quantisation,
      cacheFolder: options.cacheFolder,
    };
    return await describeBranches(request, environment, emit, signal);
  });
}
