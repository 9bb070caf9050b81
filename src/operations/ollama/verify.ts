import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { Holding } from '../../model/plan.ts';
import { repoPath } from '../../model/repo.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import { endpointOf } from '../../source/naming.ts';
import { openHttp } from '../../source/open-source.ts';
import { blobHex } from '../../store/ollama/blob-holdings.ts';
import { shortName } from '../../store/ollama/model-name.ts';
import { blobName, OllamaPaths } from '../../store/ollama/ollama-paths.ts';
import { OllamaStore } from '../../store/ollama/ollama-store.ts';
import { HashRecords } from '../../store/records/hash-records.ts';
import { Flush } from '../../system/disk/flush.ts';
import type { Environment } from '../../system/environment.ts';
import { executePlan, type TransferSettings, WorkerThreads } from '../download/execute.ts';
import { someFailed } from '../download/finish-download.ts';
import { checkFiles, type VerifyOptions } from '../verify/run-verify.ts';
import { installedModel, type OllamaModel } from './ollama-model.ts';
import type { OllamaTarget } from './ollama-target.ts';
import { openOllamaSource } from './pull.ts';

/** A model in a store of Ollama. */
export interface StoredModel {
  /** Absolute path of the store. */
  readonly models: string;
  readonly target: OllamaTarget;
}

/**
 * Compares the blobs of a model with the digests that its manifest in the store names. No network. NOT_FOUND if the store
 * has no such model, INTEGRITY if its manifest is damaged.
 */
export async function verifyOllama(
  stored: StoredModel,
  environment: Environment,
  options: VerifyOptions & { readonly endpoint: string },
): Promise<CheckReport> {
  const { models, target } = stored;
  const { revision, blobs } = requireModel(stored, environment);
  const expected = blobs.map((file) => {
    return { path: blobName(blobHex(file) ?? ''), size: file.size, digest: file.digest };
  });
  const { state, id } = new OllamaPaths(models, target.name);
  const records = options.quick ? new HashRecords(state, id) : undefined;
  const found = await checkFiles(models, expected, environment, { ...options, records });
  return {
    directory: models,
    endpoint: endpointOf(target.repo, options.endpoint),
    repo: target.hub ?? target.repo,
    revision: target.name.tag,
    commit: revision.id,
    quick: options.quick,
    ...found,
  };
}

/** Fetches the missing and the changed blobs of a model again, by their digests. Returns the bytes that came. */
export async function repairOllama(
  stored: StoredModel,
  findings: readonly Finding[],
  settings: TransferSettings,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<number> {
  const { models: directory, target } = stored;
  const { revision, manifest, blobs } = requireModel(stored, environment);
  const wrong = new Map(findings.map(({ path, kind }) => [path, kind]));
  const selected = blobs.filter((file) => wrong.has(blobName(blobHex(file) ?? '')));
  const http = openHttp(settings, environment, emit);
  try {
    const context = { access: settings, environment, http, emit, countsAsDownload: true };
    const source = openOllamaSource(target, context);
    const note = (message: string) => emit({ type: 'note', message });
    const { platform, lock } = environment;
    const flush = new Flush(note);
    const of = { models: directory, name: target.name, revision, manifest };
    await using store = new OllamaStore({ ...of, platform, lock, flush, note });
    await store.refuseNames(selected, signal);
    await store.open(signal);
    const { holdings, freeBytes } = await store.survey(selected, signal);
    // What was read and found wrong is not believed for its records: they may say that it is right.
    const seen = new Map(
      selected.map((file): [string, Holding] => {
        const holding = holdings.get(file.path);
        const part = holding !== undefined && 'part' in holding ? holding.part : [];
        return [file.path, part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' }];
      }),
    );
    const plan = makePlan(revision, selected, { holdings: seen, freeBytes });
    emit({ type: 'planned', plan, directory });
    const tooLittle = checkSpace(plan);
    if (tooLittle !== undefined) throw tooLittle;
    await using workers = new WorkerThreads(settings, environment, emit);
    const transfer = { workers, source, store, environment, emit, signal };
    const { fetchedBytes, failures } = await executePlan(plan, settings, transfer);
    const [first] = failures;
    if (first !== undefined)
      throw goneFromRegistry(someFailed(first, failures.length, fetchedBytes > 0), target);
    await store.publish(revision, selected, blobs);
    return fetchedBytes;
  } finally {
    http.close();
  }
}

function requireModel({ models, target }: StoredModel, { platform }: Environment): OllamaModel {
  const model = installedModel(models, target, platform);
  if (model !== undefined) return model;
  const { hub, repo, name } = target;
  throw new FetchError('NOT_FOUND', `the store of Ollama in ${models} has no model ${shortName(name)}`, {
    hint: `See its models with ollama list, or fetch it: fetch ${repoPath(hub ?? repo)}:${name.tag} --ollama.`,
  });
}

function goneFromRegistry(error: FetchError, { hub, repo, name }: OllamaTarget): FetchError {
  if (error.code !== 'NOT_FOUND') return error;
  return new FetchError('INTEGRITY', `${error.message}; the manifest in the store names it`, {
    cause: error,
    hint: `The registry does not have that state of the tag any more: fetch ${repoPath(hub ?? repo)}:${name.tag} --ollama.`,
  });
}
