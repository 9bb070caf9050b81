import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { RepoRef, Revision } from '../model/repo.ts';
import { checkSpace, makePlan } from '../plan/make-plan.ts';
import { type Selection, selectFiles } from '../plan/select-files.ts';
import { DirectoryStore } from '../store/directory/directory-store.ts';
import type { Store } from '../store/store.ts';
import type { FileFailure } from '../transfer/run-plan.ts';
import { carryOut, type TransferSettings } from './carry-out.ts';
import type { Environment } from './environment.ts';
import { collectListing, openHttp, openHub } from './hub-access.ts';

/** What to download, where from, where to, and how hard to try. */
export interface DownloadRequest extends TransferSettings {
  readonly repo: RepoRef;
  /** Branch, tag, `refs/pr/N`, or commit. */
  readonly revision: string;
  readonly selection: Selection;
  /** Absolute path of the target directory. Need not exist. */
  readonly directory: string;
  readonly forceDownload: boolean;
  /** Go on although the disk looks too small. */
  readonly ignoreSpace: boolean;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
}

export interface DownloadOutcome {
  readonly revision: Revision;
  readonly plan: Plan;
  /** Bytes that came over the network; 0 for a dry run. */
  readonly fetchedBytes: number;
}

/**
 * One run from a name to a verified directory: pins the revision, lists it, plans, transfers, records.
 * Rejects with a FetchError or with the signal's reason; what was fetched by then stays and is continued
 * by the next run.
 */
export async function download(
  request: DownloadRequest,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<DownloadOutcome> {
  const http = openHttp(request, environment, emit);
  try {
    const source = openHub(request, environment, http, emit);
    const revision = await source.resolve(request.repo, request.revision, signal);
    emit({ type: 'resolved', asked: request.repo, revision });
    const listing = await collectListing(source, revision, emit, signal);
    const selected = selectFiles(listing, request.selection);
    await using store = openDirectory(request, environment, revision);
    await store.refuseNames(selected);
    if (!request.dryRun) await store.open();
    const plan = makePlan(revision, selected, await store.survey(selected, signal), request);
    emit({ type: 'planned', plan, directory: request.directory });
    if (request.dryRun) return { revision, plan, fetchedBytes: 0 };
    warnOf(plan, emit);
    const tooLittle = request.ignoreSpace ? undefined : checkSpace(plan);
    if (tooLittle !== undefined) throw tooLittle;
    const parties = { source, store, environment, emit, signal };
    const { fetchedBytes, failures } = await carryOut(plan, request, parties);
    await publish(store, revision, selected, listing, failures);
    const first = failures[0];
    if (first !== undefined) throw someFailed(first, failures.length);
    return { revision, plan, fetchedBytes };
  } finally {
    http.close();
  }
}

/** A directory of one's own, as the store of a run. */
export function openDirectory(
  { directory, endpoint }: { readonly directory: string; readonly endpoint: string },
  environment: Environment,
  revision: Revision,
): Store {
  const { platform, ignoresCase, lock } = environment;
  return new DirectoryStore({ directory, endpoint, revision, platform, ignoresCase, lock });
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

export async function publish(
  store: Store,
  revision: Revision,
  selected: readonly RemoteFile[],
  listing: readonly RemoteFile[],
  failures: readonly FileFailure[],
): Promise<void> {
  const failed = new Set(failures.map((failure) => failure.path));
  const whole = selected.filter((file) => !failed.has(file.path));
  await store.publish(revision, whole, listing);
}

export function someFailed({ error, path }: FileFailure, count: number): FetchError {
  if (count === 1) return error;
  return new FetchError(error.code, `${count} files failed, the first of them ${path}: ${error.message}`, {
    hint: error.hint,
    cause: error,
    status: error.status,
  });
}
