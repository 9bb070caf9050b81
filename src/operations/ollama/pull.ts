import { resolve } from 'node:path';
import { FetchError, usage } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import { makePlan } from '../../plan/make-plan.ts';
import { openHttp, openHubModels, openSource } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import { type OllamaModelStore, openOllamaStore } from '../../store/ollama-models.ts';
import { shortName } from '../../store/ollama-name.ts';
import type { Survey } from '../../store/store.ts';
import { Flush } from '../../system/disk/flush.ts';
import type { RunContext } from '../../system/run-context.ts';
import type { DownloadOptions, DownloadOutcome } from '../download/download-options.ts';
import { executePlan, WorkerThreads } from '../download/execute-plan.ts';
import { publish, someFailed } from '../download/finish-download.ts';
import { checkPlan, planCopies } from '../download/plan-download.ts';
import { missingOffline, notAvailableOffline } from '../download/resolve-offline.ts';
import { surveyStore } from '../download/survey-store.ts';
import { type RunSettings, runSettings } from '../options.ts';
import { targetOf } from '../target.ts';
import { fetchModel, installedModel, type OllamaModel } from './ollama-model.ts';
import { type OllamaTarget, ollamaTarget } from './ollama-target.ts';

/** A model to install in a store of Ollama. */
export interface PullRequest
  extends RunSettings,
    Pick<DownloadOptions, 'forceDownload' | 'ignoreSpace' | 'onStatus' | 'reuse'> {
  readonly target: OllamaTarget;
  /** The repository whose local copies may be used. */
  readonly repo: RepoRef;
  /** Absolute path of the store. Need not exist. */
  readonly directory: string;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
}

/** Everything that one run works with. */
interface Pull {
  readonly request: PullRequest;
  readonly run: RunContext;
  readonly source: Source;
  readonly store: OllamaModelStore;
  readonly revision: Revision;
  readonly selected: readonly RemoteFile[];
}

/** Ollama may remove blobs at any time. They are fetched again at most this often. */
const MAX_ROUNDS = 3;

/**
 * Options that make no sense with `ollama`: a model of Ollama is always whole, and its store has no records of a
 * directory.
 */
const NOT_WITH_OLLAMA = [
  'files',
  'include',
  'exclude',
  'cache',
  'from',
  'lock',
  'prune',
  'shard',
  'replaceRepo',
] as const;

/** Throws USAGE for options that exclude each other. */
export function parsePullRequest(options: DownloadOptions, dryRun: boolean): PullRequest {
  const settings = runSettings(options);
  const hint = 'See docs/library.md.';
  for (const name of NOT_WITH_OLLAMA) {
    const value = options[name];
    if (value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
      throw usage(`ollama and ${name} do not go together.`, hint);
  }
  const { directory, forceDownload, ignoreSpace, onStatus, reuse } = options;
  if (directory === undefined) throw usage('ollama needs the directory of the store.', hint);
  const target = ollamaTarget(targetOf(options, settings.endpoint), settings.endpoint);
  return {
    ...settings,
    target,
    repo: target.hub ?? target.repo,
    directory: resolve(directory),
    reuse: reuse && { ...reuse, siblings: false },
    forceDownload,
    ignoreSpace,
    onStatus,
    dryRun,
  };
}

/**
 * One run from a name to a model that `ollama run` finds: pins the tag, plans, transfers the missing blobs, and
 * writes the manifest. Rejects with a FetchError or with the signal's reason; the next run continues what was
 * fetched.
 */
export async function pullForOllama(request: PullRequest, run: RunContext): Promise<DownloadOutcome> {
  return await withModelsHint(() => pullModel(request, run));
}

/** What hints say of --local-dir, is said of OLLAMA_MODELS here: the two do not go together. */
export async function withModelsHint<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof FetchError) || thrown.code !== 'DISK') throw thrown;
    const hint = thrown.hint?.replaceAll('--local-dir', 'OLLAMA_MODELS');
    throw new FetchError('DISK', thrown.message, { cause: thrown, hint });
  }
}

async function pullModel(request: PullRequest, run: RunContext): Promise<DownloadOutcome> {
  using http = openHttp(request, run);
  const { target, directory, offline } = request;
  const countsAsDownload = !request.dryRun;
  const source = openOllamaSource(target, { access: request, run, http, countsAsDownload });
  const model = offline ? installedOffline(request, run) : await fetchModel(target, source, run);
  const { revision, blobs: selected } = model;
  await using store = openModelStore(directory, target.name, model, run);
  await store.refuseNames(selected, run.signal);
  const result = await pull({ request, run, source, store, revision, selected });
  return { ollamaName: shortName(target.name), revision, directory, ...result };
}

/** The store in this directory, for a run that installs this model. */
export function openModelStore(
  models: string,
  name: OllamaTarget['name'],
  { revision, manifest }: OllamaModel,
  { environment, emit }: RunContext,
): OllamaModelStore {
  const { platform, lock } = environment;
  const note = (message: string) => emit({ type: 'note', message });
  return openOllamaStore({ models, name, revision, manifest, platform, lock, flush: new Flush(note), note });
}

/** The source of a target for Ollama. */
export function openOllamaSource(
  { repo, hub }: OllamaTarget,
  context: Parameters<typeof openSource>[1],
): Source {
  return hub === undefined ? openSource(repo, context) : openHubModels({ hub, registry: repo }, context);
}

async function pull(context: Pull): Promise<Pick<DownloadOutcome, 'plan' | 'fetchedBytes'>> {
  const { request, run, store } = context;
  const { dryRun, directory } = request;
  const { survey, isComplete } = await surveyStore(context, recordCheck(context));
  const plan = await planPull(survey, context);
  run.emit({ type: 'planned', plan, directory });
  if (isComplete || dryRun) {
    if (!dryRun && !store.hasManifest) throw notWritable(directory);
    return { plan, fetchedBytes: 0 };
  }
  checkPlan(plan, context);
  return { plan, fetchedBytes: await bring(plan, context) };
}

/** Transfers what the plan says, and again what Ollama has removed meanwhile. Returns the number of fetched bytes. */
async function bring(plan: Plan, { request, run, source, store, revision, selected }: Pull): Promise<number> {
  const { transfer, onStatus } = request;
  await using workers = new WorkerThreads(transfer, run);
  const onCopyRefused = async ({ path }: RemoteFile) => {
    if (request.offline) throw notAvailableOffline(`${store.directory} lacks ${path}`);
  };
  const listing = { files: selected, complete: true };
  let bytes = 0;
  let next = plan;
  for (let round = 1; ; round += 1) {
    const context = { run, source, store, workers, onStatus, onCopyRefused };
    const { fetchedBytes, failures } = await executePlan(next, transfer, context);
    bytes += fetchedBytes;
    const [first] = failures;
    if (first !== undefined) {
      await publish(store, { revision, selected }, listing, failures);
      throw someFailed(first, failures.length, bytes > 0);
    }
    next = makePlan(revision, selected, await store.survey(selected, run.signal));
    if (round >= MAX_ROUNDS || next.totals.fetchFiles === 0) break;
    const message = 'blobs were removed during the run: fetching them again';
    run.emit({ type: 'note', message });
  }
  await publish(store, { revision, selected }, listing, []);
  return bytes;
}

/** Whether our records say that every blob is here; undefined if they cannot tell. */
function recordCheck({ request, store, selected }: Pull): ((survey: Survey) => boolean) | undefined {
  if (request.forceDownload === true || !store.hasManifest) return undefined;
  return ({ holdings }) => selected.every(({ path }) => holdings.get(path)?.kind === 'whole');
}

async function planPull(survey: Survey, { request, run, revision, selected }: Pull): Promise<Plan> {
  const { forceDownload = false, offline, directory } = request;
  const plan = await planCopies(makePlan(revision, selected, survey, { forceDownload }), { request, run });
  if (offline && plan.totals.fetchFiles > 0) throw missingOffline(plan, directory);
  return plan;
}

function installedOffline(
  { directory, target }: PullRequest,
  { environment, emit }: RunContext,
): OllamaModel {
  const model = installedModel(directory, target, environment.platform);
  if (model === undefined) throw notAvailableOffline(`${directory} has no ${shortName(target.name)}`);
  emit({ type: 'resolved', asked: target.repo, revision: model.revision });
  return model;
}

function notWritable(directory: string): FetchError {
  return new FetchError('DISK', `the manifest of the model cannot be written to ${directory}`, {
    hint: 'All blobs are there. Run it as the user whom the store belongs to, or name another one with OLLAMA_MODELS.',
  });
}
