import { totalLength } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { bytesFrom, copiedFrom, type Plan } from '../../model/plan.ts';
import { planSentence } from '../../model/plan-sentence.ts';
import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type Revision } from '../../model/repo.ts';
import { checkSpace, makePlan, withLocalCopies } from '../../plan/make-plan.ts';
import { isWorthUpdating, type Update } from '../../plan/update.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { can } from '../../source/source.ts';
import { findLocalCopies } from '../../store/local-copies.ts';
import type { Survey } from '../../store/store.ts';
import type { DownloadContext } from './download-context.ts';
import { findUpdates, type UpdateContext } from './plan-updates.ts';
import { missingOffline, notAvailableOffline } from './resolve-offline.ts';
import { surveyStore } from './survey-store.ts';
import { noteDuplicates } from './weights-notes.ts';

/** What a download will do. */
export interface DownloadPlan {
  readonly plan: Plan;
  /** The files of the revision. */
  readonly listing: () => Listing;
  /** False for a dry run, and if everything is already here and recorded. */
  readonly mustExecute: boolean;
  /**
   * Call it before a file is fetched because its local copy cannot be used: a lockfile must then be compared with the
   * listing of the source. Rejects if they differ, and in an offline run.
   */
  readonly onCopyRefused: (file: RemoteFile) => Promise<void>;
  /** By path, of the files that are copied in part from other versions of them. */
  readonly updates: ReadonlyMap<string, Update>;
}

/**
 * The first phase: compares the listing with what the store holds. Opens the store unless nothing needs to be
 * written. Throws before anything is written if a lockfile does not match, if files are missing offline, or if access
 * is refused.
 */
export async function planDownload(context: DownloadContext): Promise<DownloadPlan> {
  const { request, run, store, selected, resolution } = context;
  await store.refuseNames(selected, run.signal);
  const { survey, isComplete } = await surveyStore(context, recordCheck(context));
  const planned = await comparePlan(survey, context);
  const { plan } = planned;
  if (request.dryRun && resolution.revision.gated) await requireAccess(plan, context);
  run.emit({ type: 'planned', plan, directory: store.directory });
  noteDuplicates(plan, run.emit);
  return { ...planned, mustExecute: !isComplete && !request.dryRun };
}

/**
 * For a run that may need no request, what tells whether the records have everything that it wants: then nothing is written,
 * not even a directory lock. Undefined if they cannot have it.
 */
function recordCheck(context: DownloadContext): ((survey: Survey) => boolean) | undefined {
  const { request, records, selected } = context;
  const { revision } = context.resolution;
  const { lock, offline, forceDownload = false, prune = false } = request;
  if ((lock === undefined && !offline) || forceDownload || prune) return undefined;
  if (!records.isNamed(revision)) return undefined;
  const manifest = records.manifest(revision.id);
  if (manifest === undefined || !isSameRepo(manifest.repo, revision.repo)) return undefined;
  const recorded = new Map(manifest.files.map((file) => [file.path, file.sha256]));
  const paths = new Set(selected.map((file) => file.path));
  const locked = (lock?.files ?? []).filter((file) => paths.has(file.path));
  if (!locked.every(({ path, sha256 }) => sha256 === undefined || recorded.get(path) === sha256))
    return undefined;
  return ({ holdings }) =>
    selected.every(({ path }) => recorded.has(path) && holdings.get(path)?.kind === 'whole');
}

/** Plans what is kept, what is copied from this machine, and what is fetched. */
async function comparePlan(
  survey: Survey,
  context: DownloadContext,
): Promise<Omit<DownloadPlan, 'mustExecute'>> {
  const { request, store, resolution, selected } = context;
  const { forceDownload = false, offline } = request;
  const withoutCopies = makePlan(resolution.revision, selected, survey, { forceDownload });
  const { plan, updates } = await planUpdates(await planCopies(withoutCopies, context), context);
  if (offline && plan.totals.fetchFiles > 0) throw missingOffline(plan, store.directory);
  // Before anything is copied: the lockfile may not match.
  let listing = await resolution.listing(plan);
  let relisted: Promise<Listing> | undefined;
  const onCopyRefused = async ({ path }: RemoteFile) => {
    if (offline) throw notAvailableOffline(`${store.directory} lacks ${path}`);
    if (plan.totals.fetchFiles > 0) return;
    relisted ??= resolution.listing(withoutCopies);
    listing = await relisted;
  };
  return { plan, listing: () => listing, onCopyRefused, updates };
}

interface CopyContext extends Pick<DownloadContext, 'run'> {
  readonly request: Pick<
    DownloadContext['request'],
    'reuse' | 'directory' | 'repo' | 'forceDownload' | 'ignoreSpace' | 'dryRun'
  >;
}

/** Plans copies of local files. Emits a note, except for a dry run. */
export async function planCopies(plan: Plan, { request, run }: CopyContext): Promise<Plan> {
  const { reuse, directory, repo, forceDownload, ignoreSpace, dryRun } = request;
  if (reuse === undefined || forceDownload === true) return plan;
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file);
  if (missing.length === 0) return plan;
  const found = await findLocalCopies({ directory, repo, ...reuse }, missing, run.signal);
  if (found.size === 0) return plan;
  const whole = missing.flatMap(({ path, size }) => {
    const copy = found.get(path);
    return copy === undefined ? [] : [[path, [{ start: 0, end: size, path: copy, offset: 0 }]] as const];
  });
  const copying = withLocalCopies(plan, new Map(whole));
  if (dryRun || copying.totals.reuseBytes === undefined) return copying;
  // A disk that is too small for copies is too small for downloads: the run ends with that.
  if (ignoreSpace === true || checkSpace(copying) === undefined) {
    const message = `the same content is on this machine: ${planSentence(copying)}`;
    run.emit({ type: 'note', message });
  }
  return copying;
}

/** Plans which parts of files are copied from other versions of them on this machine. Writes nothing for a dry run. */
async function planUpdates(
  plan: Plan,
  { request, run, source, resolution }: DownloadContext,
): Promise<Pick<DownloadPlan, 'plan' | 'updates'>> {
  const { reuse, directory, repo, cache, forceDownload, offline, dryRun } = request;
  const { protocol } = request.transfer;
  const isWanted = protocol !== 'http' && !offline && forceDownload !== true;
  if (!isWanted || !can(source, 'reconstruct')) return { plan, updates: new Map() };
  const missing = plan.files.filter(
    (planned) => bytesFrom(planned, 'remote') > 0 && copiedFrom(planned) === undefined,
  );
  const files = missing.filter(({ action }) => action === 'transfer').map(({ file }) => file);
  const { revision } = resolution;
  const listed = new Map<string, Promise<ReadonlyMap<string, RemoteFile>>>();
  const context: UpdateContext = {
    roots: {
      directory,
      repo,
      named: reuse?.named ?? [],
      siblings: reuse?.siblings ?? false,
      // A cache that is the target has older versions itself.
      hubCache: cache === undefined ? reuse?.hubCache : directory,
    },
    terms: async (file, signal) => {
      const { terms } = await source.reconstruct(revision, file, { start: 0, end: file.size }, signal);
      return terms;
    },
    hashAt: async (commit, path, signal) => {
      const known = listed.get(commit) ?? listAt(source, { ...revision, id: commit }, signal);
      listed.set(commit, known);
      return (await known).get(path)?.pointer?.xetHash;
    },
    mayWrite: !dryRun,
  };
  const updates = await findUpdates(files, context, run.signal);
  for (const file of files) {
    const saved = totalLength(updates.get(file.path)?.ranges ?? []);
    if (protocol === 'auto' && !isWorthUpdating(saved, file.size)) updates.delete(file.path);
  }
  if (updates.size === 0) return { plan, updates };
  const updating = withLocalCopies(plan, new Map([...updates].map(([path, { ranges }]) => [path, ranges])));
  const message = `another version is on this machine: ${planSentence(updating)}`;
  if (!dryRun) run.emit({ type: 'note', message });
  return { plan: updating, updates };
}

/** The files of another commit, by their paths. That it is listed is no news of the run. */
async function listAt(
  source: DownloadContext['source'],
  revision: Revision,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RemoteFile>> {
  const files = await collectListing(source, revision, { emit: () => {}, signal });
  return new Map(files.map((file) => [file.path, file]));
}

/** The listing of a gated repository is public: only the request for a file shows whether this user has access. */
async function requireAccess(plan: Plan, { source, run }: DownloadContext): Promise<void> {
  const missing = plan.files.find(({ action }) => action === 'transfer');
  if (missing === undefined) return;
  await source.locate(plan.revision, missing.file, run.signal).catch((error: unknown) => {
    // Other failures may be over by the time of the download.
    if (run.signal.aborted || (error instanceof FetchError && error.code === 'ACCESS')) throw error;
  });
}

/**
 * Warns about files that are replaced or cannot be verified. Throws DISK if the files do not fit, unless
 * `ignoreSpace` is set.
 */
export function checkPlan(plan: Plan, { request, run }: CopyContext): void {
  const replaced = plan.files.filter((planned) => planned.replaces).map((planned) => planned.file.path);
  if (replaced.length > 0) {
    const shown = replaced.slice(0, 3).join(', ');
    const more = replaced.length > 3 ? ` and ${replaced.length - 3} more` : '';
    const message = `replacing files here that differ from the revision: ${shown}${more}`;
    run.emit({ type: 'note', message });
  }
  const unhashed = plan.files.filter((planned) => planned.file.digest === undefined).length;
  if (unhashed > 0) {
    const message = `the endpoint lists no usable hash for ${unhashed} of ${plan.files.length} files: only their size is checked`;
    run.emit({ type: 'note', message });
  }
  const tooLittle = request.ignoreSpace === true ? undefined : checkSpace(plan);
  if (tooLittle !== undefined) throw tooLittle;
}
