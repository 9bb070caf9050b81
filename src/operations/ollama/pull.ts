import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import { openHttp, openHubModels, openSource } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import type { LocalCopyRoots } from '../../store/local-copies.ts';
import { shortName } from '../../store/ollama/model-name.ts';
import { OllamaStore } from '../../store/ollama/ollama-store.ts';
import { Flush } from '../../system/disk/flush.ts';
import type { Environment } from '../../system/environment.ts';
import { executePlan, type TransferSettings, WorkerThreads } from '../download/execute.ts';
import { publish, someFailed } from '../download/finish-download.ts';
import { openUnlessComplete } from '../download/open-unless-complete.ts';
import { copyFirst, planCopies, type Wanted } from '../download/plan-with-reuse.ts';
import { missingOffline, notAvailableOffline } from '../download/resolution.ts';
import type { DownloadOutcome } from '../download/run-download.ts';
import { fetchModel, installedModel, type OllamaModel } from './ollama-model.ts';
import type { OllamaTarget } from './ollama-target.ts';

/** What to put into a store of Ollama. */
export interface PullRequest extends TransferSettings {
  readonly target: OllamaTarget;
  /** Absolute path of the store. Need not exist. */
  readonly directory: string;
  readonly forceDownload: boolean;
  /** Go on although the disk looks too small. */
  readonly ignoreSpace: boolean;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
  /** Where the same contents may stand on this machine; undefined to look nowhere. */
  readonly reuse?: Pick<LocalCopyRoots, 'named' | 'hubCache'> | undefined;
}

/** What a run works with. */
interface Pull extends Wanted {
  readonly request: PullRequest;
  readonly model: OllamaModel;
  readonly source: Source;
  readonly store: OllamaStore;
  readonly environment: Environment;
  readonly onStatus: ((inspect: () => string[]) => void) | undefined;
}

/** Ollama may remove blobs at any time: they are fetched again so often. */
const ROUNDS = 3;

/**
 * One run from a name to a model that `ollama run` finds: pins the tag, plans, transfers the blobs that are missing, and
 * writes the manifest. Rejects with a FetchError or with the signal's reason; what was fetched is continued by the
 * next run.
 */
export async function pullForOllama(
  request: PullRequest,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
  onStatus?: (inspect: () => string[]) => void,
): Promise<DownloadOutcome> {
  const http = openHttp(request, environment, emit);
  try {
    const { target, directory, offline } = request;
    const countsAsDownload = !request.dryRun;
    const source = openOllamaSource(target, { access: request, environment, http, emit, countsAsDownload });
    const model = offline
      ? installedOffline(request, environment, emit)
      : await fetchModel(target, source, emit, signal);
    const { revision, blobs: selected } = model;
    const note = (message: string) => emit({ type: 'note', message });
    const { platform, lock, processors } = environment;
    await using store = new OllamaStore({
      models: directory,
      name: target.name,
      revision,
      manifest: model.manifest,
      platform,
      lock,
      flush: new Flush(note),
      note,
    });
    await store.refuseNames(selected, signal);
    const wanted = { store, revision, selected, emit, signal, processors };
    const pull: Pull = { ...wanted, request, model, source, environment, onStatus };
    const ollamaName = shortName(target.name);
    return { ollamaName, revision, directory, ...(await run(pull)) };
  } finally {
    http.close();
  }
}

/** The source of a target of Ollama. */
export function openOllamaSource(
  { repo, hub }: OllamaTarget,
  context: Parameters<typeof openSource>[1],
): Source {
  return hub === undefined ? openSource(repo, context) : openHubModels({ hub, registry: repo }, context);
}

async function run(pull: Pull): Promise<Pick<DownloadOutcome, 'plan' | 'fetchedBytes'>> {
  const { request, store, emit } = pull;
  const { dryRun, ignoreSpace, directory } = request;
  const isDone = dryRun || (await isComplete(pull)) || !(await openUnlessComplete(pull, request));
  const plan = await decide(pull);
  emit({ type: 'planned', plan, directory });
  if (isDone) {
    if (!dryRun && !store.hasManifest) throw notWritable(directory);
    return { plan, fetchedBytes: 0 };
  }
  const tooLittle = ignoreSpace ? undefined : checkSpace(plan);
  if (tooLittle !== undefined) throw tooLittle;
  return { plan, fetchedBytes: await bring(plan, pull) };
}

/** Transfers what the plan says, and what Ollama has removed meanwhile. Returns the bytes that came. */
async function bring(plan: Plan, pull: Pull): Promise<number> {
  const { request, source, store, revision, selected, environment, emit, signal, onStatus } = pull;
  await using workers = new WorkerThreads(request, environment, emit);
  const context = { workers, source, store, environment, emit, signal, onStatus };
  let bytes = 0;
  let next = plan;
  for (let round = 1; ; round += 1) {
    const { fetchedBytes, failures } = await executePlan(next, request, context);
    bytes += fetchedBytes;
    const [first] = failures;
    if (first !== undefined) {
      await publish(store, revision, selected, { files: selected, complete: true }, failures);
      throw someFailed(first, failures.length, bytes > 0);
    }
    next = makePlan(revision, selected, await store.survey(selected, signal));
    if (round >= ROUNDS || next.totals.fetchFiles === 0) break;
    emit({ type: 'note', message: 'blobs were removed during the run: fetching them again' });
  }
  await store.publish(revision, selected, selected);
  return bytes;
}

/** Whether our records say that all is there: then nothing is written, not even a lock. */
async function isComplete({ request, store, selected, signal }: Pull): Promise<boolean> {
  if (request.forceDownload || !store.hasManifest) return false;
  const { holdings } = await store.survey(selected, signal);
  return selected.every(({ path }) => holdings.get(path)?.kind === 'whole');
}

/** What stands elsewhere on this machine is copied first; a dry run only says so. */
async function decide(pull: Pull): Promise<Plan> {
  const { request, store, revision, selected, signal } = pull;
  const { reuse, forceDownload, offline, directory, target } = request;
  const plan = makePlan(revision, selected, await store.survey(selected, signal), { forceDownload });
  const mayCopy = reuse !== undefined && !forceDownload && plan.totals.fetchFiles > 0;
  const places = { ...reuse, directory, repo: target.hub ?? target.repo, siblings: false };
  const copying = mayCopy
    ? await planCopies(plan, pull, { named: [], hubCache: undefined, ...places })
    : undefined;
  const rest = copying === undefined ? plan : await copyFirst(plan, copying, pull, request);
  if (offline && rest.totals.fetchFiles > 0) throw missingOffline(rest, directory);
  return rest;
}

function installedOffline(
  { directory, target }: PullRequest,
  { platform }: Environment,
  emit: Emit,
): OllamaModel {
  const model = installedModel(directory, target, platform);
  if (model === undefined) throw notAvailableOffline(`${directory} has no ${shortName(target.name)}`);
  emit({ type: 'resolved', asked: target.repo, revision: model.revision });
  return model;
}

function notWritable(directory: string): FetchError {
  return new FetchError('DISK', `the manifest of the model cannot be written to ${directory}`, {
    hint: 'All blobs are there. Run it as the user whom the store belongs to, or name another one with OLLAMA_MODELS.',
  });
}
