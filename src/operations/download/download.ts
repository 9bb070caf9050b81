import type { Emit } from '../../model/event.ts';
import { nodeName } from '../../model/node-name.ts';
import { shardOf } from '../../plan/shard.ts';
import { completeRuns } from '../../plan/update.ts';
import { openHttp, openPeer, openPeerSource, openSource } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import { mayHaveLocalCopies } from '../../store/local-copies.ts';
import { cachesRepository, openChunkRecords, openRecords, openStore } from '../../store/open-store.ts';
import type { Records } from '../../store/records/records.ts';
import { isEmpty } from '../../system/disk/is-empty.ts';
import type { RunContext } from '../../system/run-context.ts';
import { parsePullRequest, pullForOllama } from '../ollama/pull.ts';
import { withRunContext } from '../run.ts';
import { refuseForeign } from './directory-owner.ts';
import {
  type DownloadOptions,
  type DownloadOutcome,
  type DownloadRequest,
  parseRequest,
} from './download-options.ts';
import { executePlan, WorkerThreads } from './execute-plan.ts';
import { finishDownload, finishUnchanged } from './finish-download.ts';
import { filesAhead, LocateAhead } from './locate-ahead.ts';
import { checkPlan, planDownload } from './plan-download.ts';
import { LockfileResolver } from './resolve-lockfile.ts';
import { OfflineResolver, PeerResolver } from './resolve-offline.ts';
import { type OnPinned, SourceResolver } from './resolve-source.ts';
import type { Resolver } from './resolver.ts';
import { ScanAdvice } from './weights-notes.ts';

/**
 * Pins the revision to a commit, lists it, fetches what is missing, verifies every byte and writes the manifest. The
 * same call continues a run that ended early.
 *
 * Rejects with a FetchError: USAGE, NOT_FOUND, ACCESS, NETWORK, INTEGRITY, DISK, LOCKED or ABORTED. Prints nothing.
 */
export async function download(options: DownloadOptions): Promise<DownloadOutcome> {
  return await withRunContext(options, (run) => start(options, false, run));
}

/** The result of `plan`. */
export type PlanOutcome = Omit<DownloadOutcome, 'fetchedBytes' | 'peerBytes' | 'wireBytes' | 'copiedBytes'>;

/**
 * What `download` would do with the same options, file by file: asks the hub and reads the directory, and changes
 * nothing. Rejects as `download` does.
 */
export async function plan(options: DownloadOptions): Promise<PlanOutcome> {
  return await withRunContext(options, async (run) => {
    const {
      fetchedBytes: _none,
      peerBytes: _peers,
      wireBytes: _wire,
      copiedBytes: _copied,
      ...outcome
    } = await start(options, true, run);
    return outcome;
  });
}

async function start(options: DownloadOptions, dryRun: boolean, run: RunContext): Promise<DownloadOutcome> {
  return options.ollama === true
    ? await pullForOllama(parsePullRequest(options, dryRun), run)
    : await runDownload(parseRequest(options, dryRun), run);
}

/** Resolve, plan, execute, finish. What was fetched before a failure stays on disk, and the next run continues it. */
async function runDownload(request: DownloadRequest, run: RunContext): Promise<DownloadOutcome> {
  using http = openHttp(request, run);
  const isFresh = isFreshTarget(request);
  const withNames = isFresh && mayLocateAhead(request);
  const sourceContext = { access: request, run, http, countsAsDownload: !request.dryRun, withNames };
  const open = (emit: Emit) => openDownloadSource(request, { ...sourceContext, run: { ...run, emit } });
  const source = open(run.emit);
  const ahead = new LocateAhead(source, { openAside: open, run });
  await using workers = new WorkerThreads(request.transfer, run);
  if (isFresh) workers.warmUp();
  const records = openRecords(request);
  const onPinned: OnPinned = async (pinned, quantisation) => {
    if (!isFresh || request.from.length > 0) return;
    if (request.transfer.protocol === 'xet') source.expectChunks?.(pinned, run.signal);
    if (source.kind !== 'hub' || !mayLocateAhead(request) || (await mayBeHere(request, run))) return;
    ahead.expect(pinned, filesAhead(source.namesOf?.(pinned) ?? [], { ...request, quantisation }));
  };
  const resolver = resolverOf(request, records, onPinned);
  const resolution = await resolver.resolve({ source, run });
  const hubWaitMs = resolver instanceof SourceResolver ? http.shortestWaitMs : undefined;
  const { revision } = resolution;
  refuseForeign(request, records.owner(), resolution);
  const selected =
    request.shard === undefined ? resolution.selected : shardOf(resolution.selected, request.shard);
  if (isFresh) workers.expect(selected);
  await using store = openStore(request, revision, run);
  const context = { request, run, source, store, records, workers, resolution, selected };

  const planned = await planDownload(context);
  using advice = new ScanAdvice(planned.plan, source, run);
  if (!planned.mustExecute) return await finishUnchanged(planned, context, advice);
  checkPlan(planned.plan, context);
  const node = nodeName(run.environment.random);
  await using mark = await records.claim(revision, { endpoint: request.endpoint, node, files: selected });
  const marking: Emit = (event) => {
    if (event.type === 'file-finished') mark.keep();
    run.emit(event);
  };
  const { onCopyRefused } = planned;
  const { transfer, onStatus } = request;
  const chunks = openChunkRecords(request);
  const result = await executePlan(planned.plan, transfer, {
    run: { ...run, emit: marking },
    source: ahead,
    peers: request.from.map((address) => openPeer(address, http)),
    shared: { node, tell: (now) => mark.tell(now) },
    store,
    workers,
    hubWaitMs,
    onStatus,
    onCopyRefused,
    onChunks: async ({ path, pointer, size }, arrived) => {
      const runs = completeRuns(size, arrived, planned.updates.get(path));
      if (pointer?.xetHash === undefined || runs === undefined) return;
      await chunks.add({ xetHash: pointer.xetHash, size, runs });
    },
  });
  return await finishDownload(planned, result, context, advice);
}

function openDownloadSource(
  { repo, from, onlyPeers }: DownloadRequest,
  context: Parameters<typeof openSource>[1],
): Source {
  return onlyPeers ? openPeerSource(from, context) : openSource(repo, context);
}

/** Whether nothing is in the target: then files will be fetched, if the source has the revision. */
function isFreshTarget({ directory, repo, cache, dryRun, offline }: DownloadRequest): boolean {
  if (dryRun || offline) return false;
  return cache === undefined ? isEmpty(directory) : !cachesRepository(directory, repo);
}

/** Whether all that is fetched comes over plain HTTP: from no peer, and not as chunks. */
function mayLocateAhead({ from, transfer }: DownloadRequest): boolean {
  return from.length === 0 && transfer.protocol !== 'xet';
}

/** Whether something of a fresh target may be copied from this machine. */
async function mayBeHere(
  { directory, repo, reuse, forceDownload }: DownloadRequest,
  { signal }: RunContext,
): Promise<boolean> {
  if (reuse === undefined || forceDownload === true) return false;
  return await mayHaveLocalCopies({ directory, repo, ...reuse }, signal);
}

function resolverOf(request: DownloadRequest, records: Records, onPinned: OnPinned): Resolver {
  const { lock, offline, onlyPeers, prune: mustList = false } = request;
  if (lock !== undefined) {
    const recorded = records.listing(lock.commit);
    return new LockfileResolver(lock, { selection: request, recorded, mustList });
  }
  if (offline) return new OfflineResolver(records, request);
  const resolver = new SourceResolver(request, onPinned);
  return onlyPeers ? new PeerResolver(resolver, new OfflineResolver(records, request)) : resolver;
}
