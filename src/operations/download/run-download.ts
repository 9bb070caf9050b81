import { existsSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import type { Revision } from '../../model/repo.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import { type Shard, shardOf } from '../../plan/shard.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import { filesLeftBehind, writeRecord } from '../../store/directory/listing-record.ts';
import type { LocalCopyRoots } from '../../store/local-copies.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { type ManifestEntry, readManifest } from '../../store/records/manifest.ts';
import type { Store } from '../../store/store.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import type { Environment } from '../../system/environment.ts';
import { requireLockedHashes } from '../lock.ts';
import { type CacheChoice, openStore } from '../open-store.ts';
import { claimDirectory, refuseForeign } from './directory-owner.ts';
import { executePlan, type TransferSettings, WorkerThreads } from './execute.ts';
import { publish, someFailed } from './finish-download.ts';
import { openUnlessComplete } from './open-unless-complete.ts';
import { copyFirst, planCopies, type Wanted } from './plan-with-reuse.ts';
import { findStaleFiles, prune, type StaleFiles } from './prune.ts';
import { isNamed, knownListing, manifestPath, resolveFromRecords } from './records.ts';
import {
  type Asked,
  type Listing,
  missingOffline,
  type Resolution,
  resolveFromHub,
  resolveFromLockfile,
} from './resolution.ts';
import { noteDuplicates, ScanAdvice } from './weights-notes.ts';

/** What to download, where from, where to, and how hard to try. */
export interface DownloadRequest extends TransferSettings, Asked {
  /** Absolute path of the target directory, or with `cache` that of the root of the cache. Need not exist. */
  readonly directory: string;
  /**
   * The files go into a central cache, in the layout of the Hub's own clients. Not together with `prune` and
   * `shard`, which go by the records of a directory.
   */
  readonly cache?: CacheChoice | undefined;
  readonly forceDownload: boolean;
  /** Go on although the directory holds another repository. */
  readonly replaceRepo?: boolean | undefined;
  /** Go on although the disk looks too small. */
  readonly ignoreSpace: boolean;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
  /** Where the same contents may stand on this machine; undefined to look nowhere. */
  readonly reuse?: Pick<LocalCopyRoots, 'named' | 'siblings' | 'hubCache'> | undefined;
  /** Obey this lock: its commit, its files, and nothing that the hub says otherwise. */
  readonly lock?: Lockfile | undefined;
  /** Afterwards delete what an earlier run put there and the revision no longer has. */
  readonly prune?: boolean;
  /** Only one of several parts of what is selected; other runs may bring the others into the same directory. */
  readonly shard?: Shard | undefined;
}

/** What `download` gives. */
export interface DownloadOutcome {
  /** What was resolved. */
  readonly revision: Revision;
  /** Absolute path of where the files stand: the target directory, or the snapshot in the cache. */
  readonly directory: string;
  /** What was decided before anything was done. */
  readonly plan: Plan;
  /** Bytes that came over the network; 0 for a dry run. */
  readonly fetchedBytes: number;
  /** With `prune`: what was deleted, or would be. */
  readonly staleFiles?: StaleFiles;
  /** With `ollama`: the name of the model as `ollama run` takes it. */
  readonly ollamaName?: string;
}

/**
 * One run from a name to a verified directory: pins the revision, lists it, plans, transfers, records.
 * Rejects with a FetchError or with the signal's reason; what was fetched by then stays and is continued
 * by the next run. `onInspectable` is given a function that says what every connection is at.
 */
export async function download(
  request: DownloadRequest,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
  onStatus?: (inspect: () => string[]) => void,
): Promise<DownloadOutcome> {
  const http = openHttp(request, environment, emit);
  try {
    const countsAsDownload = !request.dryRun;
    const source = openSource(request.repo, { access: request, environment, http, emit, countsAsDownload });
    await using workers = new WorkerThreads(request, environment, emit);
    const isFresh = isFreshTarget(request);
    if (isFresh) workers.warmUp();
    const aim = await resolveTarget(request, { source, emit, signal });
    const { revision } = aim;
    refuseForeign(request, revision, aim.selected);
    const selected = request.shard === undefined ? aim.selected : shardOf(aim.selected, request.shard);
    if (isFresh) workers.expect(selected);
    const note = (message: string) => emit({ type: 'note', message });
    await using store = await openStore(request, environment, revision, note);
    await store.refuseNames(selected, signal);
    const asRecorded = request.lock !== undefined || request.offline;
    const recorded = asRecorded && (await isSatisfied(request, { revision, selected }, store, signal));
    const wanted = { store, revision, selected, emit, signal, processors: environment.processors };
    const satisfied = recorded || (!request.dryRun && !(await openUnlessComplete(wanted, request)));
    const { plan, listing } = await decide(request, aim, wanted);
    const { directory } = store;
    if (request.dryRun && revision.gated) await requireAccess(plan, { source, signal });
    emit({ type: 'planned', plan, directory });
    noteDuplicates(plan, emit);
    using advice = new ScanAdvice(plan, source, revision, signal);
    if (satisfied || request.dryRun) {
      await advice.tell(emit, environment.clock);
      const staleFiles = await staleFilesOf(request, revision, listing, emit, signal);
      return { revision, directory, plan, fetchedBytes: 0, ...staleFiles };
    }
    warnOf(plan, emit);
    const tooLittle = request.ignoreSpace ? undefined : checkSpace(plan);
    if (tooLittle !== undefined) throw tooLittle;
    const claim = await claimDirectory(request, revision);
    await using _claim = { [Symbol.asyncDispose]: claim.release };
    const told: Emit = (event) => {
      claim.emit(event);
      emit(event);
    };
    const context = { workers, source, store, environment, emit: told, signal, onStatus };
    const { fetchedBytes, failures } = await executePlan(plan, request, context);
    const inCache = request.cache !== undefined;
    const left = inCache ? [] : filesLeftBehind(directory, revision, listing.files);
    const staleFiles =
      failures.length > 0 ? {} : await staleFilesOf(request, revision, listing, emit, signal);
    await publish(store, revision, selected, listing, failures);
    if (!inCache) await keepRecord(directory, revision, listing, left);
    await advice.tell(emit, environment.clock);
    const first = failures[0];
    if (first !== undefined) throw someFailed(first, failures.length, fetchedBytes > 0);
    if (request.lock !== undefined)
      requireLockedHashes(request.lock, manifestPath(request, revision.id), selected);
    if (staleFiles.staleFiles !== undefined) await prune(directory, staleFiles.staleFiles, emit, signal);
    return { revision, directory, plan, fetchedBytes, ...staleFiles };
  } finally {
    http.close();
  }
}

/** A gated repository lists its files to everybody: only a file itself tells whether this user gets them. */
async function requireAccess(
  plan: Plan,
  { source, signal }: { source: Source; signal: AbortSignal },
): Promise<void> {
  const wanted = plan.files.find(({ action }) => action === 'transfer');
  if (wanted === undefined) return;
  await source.locate(plan.revision, wanted.file, signal).catch((error: unknown) => {
    // Other failures may have passed by the time of the download.
    if (signal.aborted || (error instanceof FetchError && error.code === 'ACCESS')) throw error;
  });
}

/** Whether something is to be fetched in any case, if the hub has it. */
function isFreshTarget({ directory, dryRun, offline }: DownloadRequest): boolean {
  return !dryRun && !offline && !existsSync(directory);
}

async function resolveTarget(
  request: DownloadRequest,
  inquiry: { source: Source; emit: Emit; signal: AbortSignal },
): Promise<Resolution> {
  const { lock, offline, prune: mustList = false } = request;
  if (lock !== undefined) {
    const known = knownListing(request, lock.commit);
    return resolveFromLockfile(lock, { choice: request, known, mustList }, inquiry);
  }
  return offline
    ? resolveFromRecords(request, request, inquiry.emit)
    : await resolveFromHub(request, inquiry);
}

/**
 * The plan of what is still to be fetched, and the files of the revision. What stands elsewhere on this machine is copied
 * first, so it counts as here; a dry run only says so.
 */
async function decide(
  request: DownloadRequest,
  aim: Resolution,
  wanted: Wanted,
): Promise<{ plan: Plan; listing: Listing }> {
  const { store, revision, selected, signal } = wanted;
  const { reuse, directory, repo, forceDownload, offline } = request;
  const plan = makePlan(revision, selected, await store.survey(selected, signal), { forceDownload });
  const mayCopy = reuse !== undefined && !forceDownload && plan.totals.fetchFiles > 0;
  const copying = mayCopy ? await planCopies(plan, wanted, { directory, repo, ...reuse }) : undefined;
  const first = copying ?? plan;
  if (offline && first.totals.fetchFiles > 0) throw missingOffline(first, store.directory);
  // Before anything is copied: a lock may turn out not to hold.
  const listing = await aim.listing(first);
  if (copying === undefined) return { plan, listing };
  const rest = await copyFirst(plan, copying, wanted, request);
  if (rest.totals.fetchFiles === 0 || first.totals.fetchFiles > 0) return { plan: rest, listing };
  // Something could not be copied after all.
  if (offline) throw missingOffline(rest, store.directory);
  return { plan: rest, listing: await aim.listing(rest) };
}

/** Undefined unless `prune` is set and all files of the revision are known. */
async function staleFilesOf(
  { prune: wanted, directory }: DownloadRequest,
  revision: Revision,
  listing: Listing,
  emit: Emit,
  signal: AbortSignal,
): Promise<{ staleFiles?: StaleFiles }> {
  if (wanted !== true) return {};
  if (listing.complete) {
    return { staleFiles: await findStaleFiles(directory, revision, listing.files, signal) };
  }
  emit({ type: 'note', message: 'nothing is pruned: which files the revision has is not on record here' });
  return {};
}

/** Recorded for offline runs, and so that a later `--prune` knows our files. */
async function keepRecord(
  directory: string,
  { id: commit }: Revision,
  listing: Listing,
  left: readonly ManifestEntry[],
): Promise<void> {
  if (listing.complete) await onDisk(directory, () => writeRecord(directory, commit, listing.files, left));
}

/** Whether the records say that the directory or snapshot already holds the request: then nothing is written, not even a lock. */
async function isSatisfied(
  request: DownloadRequest,
  aim: Pick<Resolution, 'revision' | 'selected'>,
  store: Store,
  signal: AbortSignal,
): Promise<boolean> {
  if (request.forceDownload || request.prune === true) return false;
  if (!isNamed(request, aim.revision)) return false;
  const manifest = readManifest(manifestPath(request, aim.revision.id));
  if (manifest?.commit !== aim.revision.id || manifest.repo.id !== aim.revision.repo.id) return false;
  const recorded = new Map(manifest.files.map((file) => [file.path, file.sha256]));
  const { holdings } = await store.survey(aim.selected, signal);
  const whole = aim.selected.every(({ path }) => recorded.has(path) && holdings.get(path)?.kind === 'whole');
  const wanted = new Set(aim.selected.map((file) => file.path));
  const locked = (request.lock?.files ?? []).filter((file) => wanted.has(file.path));
  return whole && locked.every(({ path, sha256 }) => sha256 === undefined || recorded.get(path) === sha256);
}

/** What people should hear before it happens. */
function warnOf(plan: Plan, emit: Emit): void {
  const replaced = plan.files.filter((planned) => planned.replaces).map((planned) => planned.file.path);
  if (replaced.length > 0) {
    const shown = replaced.slice(0, 3).join(', ');
    const more = replaced.length > 3 ? ` and ${replaced.length - 3} more` : '';
    emit({ type: 'note', message: `replacing files here that differ from the revision: ${shown}${more}` });
  }
  const unhashed = plan.files.filter((planned) => planned.file.digest === undefined).length;
  if (unhashed > 0) {
    const message = `the endpoint lists no usable hash for ${unhashed} of ${plan.files.length} files: only their size is checked`;
    emit({ type: 'note', message });
  }
}
