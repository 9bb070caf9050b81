import { existsSync } from 'node:fs';
import { shardOf } from '../../plan/shard.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import type { RunContext } from '../../system/run-context.ts';
import { openStore } from '../open-store.ts';
import { withRunContext } from '../run.ts';
import { claimDirectory, refuseForeign } from './directory-owner.ts';
import {
  type DownloadOptions,
  type DownloadOutcome,
  type DownloadRequest,
  parseRequest,
} from './download-options.ts';
import { executePlan, WorkerThreads } from './execute-plan.ts';
import { finishDownload, finishUnchanged } from './finish-download.ts';
import { checkPlan, planDownload } from './plan-download.ts';
import { readRecordedListing } from './records.ts';
import { HubResolver } from './resolve-hub.ts';
import { LockfileResolver } from './resolve-lockfile.ts';
import { OfflineResolver } from './resolve-offline.ts';
import type { Resolver } from './resolver.ts';
import { ScanAdvice } from './weights-notes.ts';

/**
 * Pins the revision to a commit, lists it, fetches what is missing, verifies every byte and writes the manifest. A run
 * that ended early is continued by the same call.
 *
 * Rejects with a FetchError: USAGE, NOT_FOUND, ACCESS, NETWORK, INTEGRITY, DISK, LOCKED or ABORTED. Prints nothing.
 */
export async function download(options: DownloadOptions): Promise<DownloadOutcome> {
  return await withRunContext(options, (run) => runDownload(parseRequest(options, false), run));
}

/** What `plan` gives. */
export type PlanOutcome = Omit<DownloadOutcome, 'fetchedBytes'>;

/**
 * What `download` would do with the same options, file by file: looks at the hub and at the directory, and changes
 * nothing. Rejects as `download` does.
 */
export async function plan(options: DownloadOptions): Promise<PlanOutcome> {
  return await withRunContext(options, async (run) => {
    const { fetchedBytes: _none, ...outcome } = await runDownload(parseRequest(options, true), run);
    return outcome;
  });
}

/** Resolve, plan, execute, finish. What was fetched before a failure stays on disk, and the next run continues it. */
async function runDownload(request: DownloadRequest, run: RunContext): Promise<DownloadOutcome> {
  using http = openHttp(request, run);
  const sourceContext = { access: request, run, http, countsAsDownload: !request.dryRun };
  const source = openSource(request.repo, sourceContext);
  await using workers = new WorkerThreads(request, run);
  const isFresh = isFreshTarget(request);
  if (isFresh) workers.warmUp();
  const resolution = await resolverOf(request).resolve({ source, run });
  const { revision } = resolution;
  refuseForeign(request, revision, resolution.selected);
  const selected =
    request.shard === undefined ? resolution.selected : shardOf(resolution.selected, request.shard);
  if (isFresh) workers.expect(selected);
  const note = (message: string) => run.emit({ type: 'note', message });
  await using store = await openStore(request, run.environment, revision, note);
  const context = { request, run, source, store, workers, resolution, selected };

  const planned = await planDownload(context);
  using advice = new ScanAdvice(planned.plan, source, run.signal);
  if (!planned.mustExecute) return await finishUnchanged(planned, context, advice);
  checkPlan(planned.plan, context);
  await using claim = await claimDirectory(request, revision, run);
  const result = await executePlan(planned.plan, request, { ...context, run: claim.run });
  return await finishDownload(planned, result, context, advice);
}

/** Whether the target directory does not exist: then files will be fetched, if the source has the revision. */
function isFreshTarget({ directory, dryRun, offline }: DownloadRequest): boolean {
  return !dryRun && !offline && !existsSync(directory);
}

function resolverOf(request: DownloadRequest): Resolver {
  const { lock, offline, prune: mustList = false } = request;
  if (lock !== undefined) {
    const recorded = readRecordedListing(request, lock.commit);
    return new LockfileResolver(lock, { selection: request, recorded, mustList });
  }
  return offline ? new OfflineResolver(request, request) : new HubResolver(request);
}
