import { FetchError } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import type { Listing } from '../../model/remote-file.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import type { DownloadContext } from './download-context.ts';
import { openUnlessComplete } from './open-unless-complete.ts';
import { copyFirst, planCopies } from './plan-with-reuse.ts';
import { missingOffline } from './resolve-offline.ts';
import { noteDuplicates } from './weights-notes.ts';

/** What a download will do. */
export interface DownloadPlan {
  readonly plan: Plan;
  readonly listing: Listing;
  /** False for a dry run, and if everything is here and recorded. */
  readonly mustExecute: boolean;
}

/**
 * The first phase: compares the listing with what the store holds. Opens the store unless nothing has to be written. Throws
 * before anything is written if a lockfile does not hold, if files are missing offline, or if access is refused.
 */
export async function planDownload(context: DownloadContext): Promise<DownloadPlan> {
  const { request, run, store, selected, resolution } = context;
  await store.refuseNames(selected, run.signal);
  const { lock, offline, dryRun } = request;
  const maySkip = lock !== undefined || offline;
  const isComplete =
    (maySkip && (await isSatisfied(context))) || (!dryRun && !(await openUnlessComplete(context)));
  const { plan, listing } = await comparePlan(context);
  if (dryRun && resolution.revision.gated) await requireAccess(plan, context);
  run.emit({ type: 'planned', plan, directory: store.directory });
  noteDuplicates(plan, run.emit);
  return { plan, listing, mustExecute: !isComplete && !dryRun };
}

/** Whether the records say that everything is here: then nothing is written, not even a directory lock. */
async function isSatisfied(context: DownloadContext): Promise<boolean> {
  const { request, run, store, records, selected } = context;
  const { revision } = context.resolution;
  if (request.forceDownload === true || request.prune === true) return false;
  if (!records.isNamed(revision)) return false;
  const manifest = records.manifest(revision.id);
  if (manifest === undefined || manifest.repo.id !== revision.repo.id) return false;
  const recorded = new Map(manifest.files.map((file) => [file.path, file.sha256]));
  const { holdings } = await store.survey(selected, run.signal);
  const isWhole = selected.every(({ path }) => recorded.has(path) && holdings.get(path)?.kind === 'whole');
  const paths = new Set(selected.map((file) => file.path));
  const locked = (request.lock?.files ?? []).filter((file) => paths.has(file.path));
  return isWhole && locked.every(({ path, sha256 }) => sha256 === undefined || recorded.get(path) === sha256);
}

/**
 * The plan of what is still to be fetched, and the files of the revision. Local copies are made first, so they count as
 * here; a dry run only plans them.
 */
async function comparePlan(context: DownloadContext): Promise<Pick<DownloadPlan, 'plan' | 'listing'>> {
  const { request, run, store, resolution, selected } = context;
  const { reuse, directory, repo, forceDownload = false, ignoreSpace = false, dryRun, offline } = request;
  const { revision } = resolution;
  const plan = makePlan(revision, selected, await store.survey(selected, run.signal), { forceDownload });
  const mayCopy = reuse !== undefined && !forceDownload && plan.totals.fetchFiles > 0;
  const { processors } = run.environment;
  const wanted = { store, revision, selected, emit: run.emit, signal: run.signal, processors };
  const copying = mayCopy ? await planCopies(plan, wanted, { directory, repo, ...reuse }) : undefined;
  const first = copying ?? plan;
  if (offline && first.totals.fetchFiles > 0) throw missingOffline(first, store.directory);
  // Before anything is copied: a lockfile may turn out not to hold.
  const listing = await resolution.listing(first);
  if (copying === undefined) return { plan, listing };
  const rest = await copyFirst(plan, copying, wanted, { ignoreSpace, dryRun });
  if (rest.totals.fetchFiles === 0 || first.totals.fetchFiles > 0) return { plan: rest, listing };
  // Something could not be copied after all.
  if (offline) throw missingOffline(rest, store.directory);
  return { plan: rest, listing: await resolution.listing(rest) };
}

/** The listing of a gated repository is public: only the request for a file shows whether this user has access. */
async function requireAccess(plan: Plan, { source, run }: DownloadContext): Promise<void> {
  const missing = plan.files.find(({ action }) => action === 'transfer');
  if (missing === undefined) return;
  await source.locate(plan.revision, missing.file, run.signal).catch((error: unknown) => {
    // Other failures may have passed by the time of the download.
    if (run.signal.aborted || (error instanceof FetchError && error.code === 'ACCESS')) throw error;
  });
}

/** Warns of what the transfer replaces and cannot verify. Throws DISK if the files do not fit, unless `ignoreSpace` is set. */
export function checkPlan(plan: Plan, { request, run }: DownloadContext): void {
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
