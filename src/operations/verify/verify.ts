import { resolve } from 'node:path';
import type { CheckReport } from '../../model/verify-report.ts';
import { defaultRevision, endpointOf } from '../../source/naming.ts';
import { parseStoredName } from '../ollama/ollama-target.ts';
import { verifyOllama } from '../ollama/verify.ts';
import { type HubOptions, hubAccess, type RunOptions } from '../options.ts';
import { withRunContext } from '../run.ts';
import { type TargetOptions, targetOf } from '../target.ts';
import { verify as runVerify, type VerifyProgress, verifyAgainstHub } from './run-verify.ts';

/** Which directory to check, and against what. */
export interface VerifyOptions extends Partial<TargetOptions>, HubOptions, RunOptions {
  /** Absolute, or relative to the working directory. */
  readonly directory: string;
  /** A model in the store of Ollama that `directory` is the root of, as `ollama run` takes it: instead of a manifest. Not with `repo`. */
  readonly ollama?: string | undefined;
  /** Read only files that were not hashed before or have changed since, by size, times and inode. */
  readonly quick?: boolean | undefined;
  /** Told what the check does, for progress: what it will read, what it has read, and of each file. */
  readonly watch?: Partial<VerifyProgress> | undefined;
}

/**
 * Compares a directory with its own manifest, without the network; with `repo`, with what the hub lists of a revision of
 * it, for directories that git or `hf` made. A difference is a finding of the report and no error.
 *
 * Rejects with a FetchError: NOT_FOUND if there is no manifest, INTEGRITY if it is damaged, DISK, ABORTED; with `repo`
 * also USAGE, ACCESS and NETWORK. Changes and prints nothing.
 */
export async function verify(options: VerifyOptions): Promise<CheckReport> {
  const { repo, revision, repoType, quick = false, watch = {} } = options;
  const directory = resolve(options.directory);
  const { planned = () => {}, read = () => {}, checked = () => {} } = watch;
  return await withRunContext(options, async ({ environment, emit, signal }) => {
    const settings = { quick, watch: { planned, read, checked }, signal };
    if (options.ollama !== undefined) {
      const { endpoint } = hubAccess(options);
      const target = parseStoredName(options.ollama, endpoint);
      return await verifyOllama({ models: directory, target }, environment, { ...settings, endpoint });
    }
    if (repo === undefined) return await runVerify(directory, environment, settings);
    const access = hubAccess(options);
    const target = targetOf({ repo, revision, repoType }, access.endpoint);
    const comparison = {
      ...access,
      endpoint: endpointOf(target.repo, access.endpoint),
      repo: target.repo,
      revision: target.revision ?? defaultRevision(target.repo),
    };
    return await verifyAgainstHub(directory, comparison, environment, { ...settings, emit });
  });
}
