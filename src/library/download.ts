import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { RepoRef, Revision } from '../model/repo.ts';
import { checkSpace, makePlan } from '../plan/make-plan.ts';
import { type Selection, selectFiles } from '../plan/select-files.ts';
import type { WeightsPolicy } from '../plan/weights-policy.ts';
import { planSentence } from '../report/plan-sentence.ts';
import type { Source } from '../source/source.ts';
import { DirectoryStore } from '../store/directory/directory-store.ts';
import { type DonorPlaces, findDonors } from '../store/directory/donors.ts';
import type { Store } from '../store/store.ts';
import type { TransportChoice } from '../transfer/io-messages.ts';
import { runPlan } from '../transfer/run-plan.ts';
import type { FileFailure } from '../transfer/run-result.ts';
import { ThreadTransport } from '../transfer/thread-transport.ts';
import { ThreadHasher } from '../verify/thread-hasher.ts';
import type { Environment } from './environment.ts';
import { collectListing, type HubAccess, openHttp, openHub } from './hub-access.ts';
import { narrow, noteDuplicates, noteScan } from './narrow.ts';
import { type PickedRevision, pickRevision } from './pick-revision.ts';
import { reuseFiles } from './reuse.ts';

/** What to download, where from, where to, and how hard to try. */
export interface DownloadRequest extends HubAccess {
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
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Bytes per second, all connections together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  readonly transport: TransportChoice;
  /** The revision was written behind a colon, so it may be a GGUF quantisation of `main`. */
  readonly mayBeQuantisation?: boolean;
  /** A GGUF quantisation of the revision: only its files, and those that hold no weights. */
  readonly quantisation?: string | undefined;
  /** Which of several copies of the same weights; all of them unless told otherwise. */
  readonly weights?: WeightsPolicy;
  /** Where the same contents may stand on this machine; undefined to look nowhere. */
  readonly reuse?: Pick<DonorPlaces, 'named' | 'siblings' | 'hubCache'> | undefined;
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
 * by the next run. `onInspectable` is given a function that says what every connection is at.
 */
export async function download(
  request: DownloadRequest,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
  onInspectable?: (inspect: () => string[]) => void,
): Promise<DownloadOutcome> {
  const http = openHttp(request, environment, emit);
  try {
    const source = openHub(request, environment, http, emit);
    const { revision, quantisation } = await pick(request, source, emit, signal);
    emit({ type: 'resolved', asked: request.repo, revision });
    const listing = await collectListing(source, revision, emit, signal);
    const wanted = narrow(listing, request.weights ?? 'all', quantisation);
    const selected = selectFiles(wanted, request.selection);
    await using store = openDirectory(request, environment, revision);
    await store.refuseNames(selected);
    if (!request.dryRun) await store.open();
    await using hasher = new ThreadHasher();
    const plan = await planWithReuse(request, store, hasher, revision, selected, emit, signal);
    emit({ type: 'planned', plan, directory: request.directory });
    noteDuplicates(plan, emit);
    await noteScan(plan, source, revision, emit, signal);
    if (request.dryRun) return { revision, plan, fetchedBytes: 0 };
    warnOf(plan, emit);
    const tooLittle = request.ignoreSpace ? undefined : checkSpace(plan);
    if (tooLittle !== undefined) throw tooLittle;
    await using transport = openTransport(request, environment, emit);
    const { fetchedBytes, failures } = await runPlan(plan, {
      source,
      store,
      hasher,
      transport,
      connections: request.connections,
      largeConnections: largeConnections(request),
      retry: request.retry,
      clock: environment.clock,
      random: environment.random,
      emit,
      signal,
      onInspectable,
    });
    await publish(store, revision, selected, listing, failures);
    const first = failures[0];
    if (first !== undefined) throw someFailed(first, failures.length);
    return { revision, plan, fetchedBytes };
  } finally {
    http.close();
  }
}

function pick(
  { repo, revision, mayBeQuantisation, quantisation }: DownloadRequest,
  source: Source,
  emit: Emit,
  signal: AbortSignal,
): Promise<PickedRevision> {
  const asked = { repo, revision, quantisation, mayBeQuantisation: mayBeQuantisation ?? false };
  return pickRevision(asked, source, (pinned) => collectListing(source, pinned, emit, signal), signal);
}

/**
 * The plan of what is still to be fetched. What stands elsewhere on this machine is copied first, so it counts as here;
 * a dry run only says so.
 */
async function planWithReuse(
  request: DownloadRequest,
  store: Store,
  hasher: ThreadHasher,
  revision: Revision,
  selected: readonly RemoteFile[],
  emit: Emit,
  signal: AbortSignal,
): Promise<Plan> {
  const surroundings = await store.survey(selected, signal);
  const { reuse: places, directory, repo } = request;
  const plan = makePlan(
    revision,
    selected,
    surroundings,
    request.forceDownload ? { forceDownload: true } : {},
  );
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file);
  if (places === undefined || request.forceDownload || missing.length === 0) return plan;
  const reuse = findDonors({ directory, repo, ...places }, missing);
  if (reuse.size === 0) return plan;
  const copying = makePlan(revision, selected, surroundings, { reuse });
  if (request.dryRun) return copying;
  const tooLittle = request.ignoreSpace ? undefined : checkSpace(copying);
  // A disk without room for copies may have it for nothing else either: let the plan say so.
  if (tooLittle !== undefined) return plan;
  emit({ type: 'note', message: `the same content is on this machine: ${planSentence(copying)}` });
  await reuseFiles(copying, store, hasher, emit, signal);
  return makePlan(revision, selected, await store.survey(selected, signal));
}

function openTransport(request: DownloadRequest, environment: Environment, emit: Emit): ThreadTransport {
  const { stallTimeoutMs, transport: choice, bytesPerSecond } = request;
  const { userAgent, processors } = environment;
  return new ThreadTransport({
    userAgent,
    stallTimeoutMs,
    choice,
    bytesPerSecond,
    // Two threads could not share one limit, and need a processor each.
    maxThreads: processors > 1 && bytesPerSecond === undefined ? 2 : 1,
    trace: (message) => emit({ type: 'trace', message }),
  });
}

/** What one connection can be expected to bring in a second. */
const BYTES_PER_CONNECTION = 4_000_000;

/**
 * Under a limit, a few connections are enough; of each the system takes in some megabytes that nobody has
 * asked it for yet.
 */
function largeConnections({ connections, bytesPerSecond }: DownloadRequest): number {
  if (bytesPerSecond === undefined) return connections;
  return Math.min(connections, Math.ceil(bytesPerSecond / BYTES_PER_CONNECTION) + 1);
}

function openDirectory(request: DownloadRequest, environment: Environment, revision: Revision): Store {
  const { directory, endpoint } = request;
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

async function publish(
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

function someFailed({ error, path }: FileFailure, count: number): FetchError {
  if (count === 1) return error;
  return new FetchError(error.code, `${count} files failed, the first of them ${path}: ${error.message}`, {
    hint: error.hint,
    cause: error,
    status: error.status,
  });
}
