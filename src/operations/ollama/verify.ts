import { FetchError } from '../../model/error.ts';
import { repoPath } from '../../model/repo.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { endpointOf } from '../../source/naming.ts';
import { openHttp } from '../../source/open-source.ts';
import { blobPath, installedIn } from '../../store/ollama-models.ts';
import { shortName } from '../../store/ollama-name.ts';
import type { RunContext } from '../../system/run-context.ts';
import { someFailed } from '../download/finish-download.ts';
import {
  type HubOptions,
  hubAccess,
  type RunSettings,
  runSettings,
  type TransferOptions,
} from '../options.ts';
import { compareFiles, type VerifyProgress } from '../verify/compare-directory.ts';
import { fetchAgain } from '../verify/fetch-again.ts';
import { installedModel, type OllamaModel } from './ollama-model.ts';
import { type OllamaTarget, parseStoredName } from './ollama-target.ts';
import { openModelStore, openOllamaSource, withModelsHint } from './pull.ts';

/** A model in a store of Ollama. */
interface StoredModel {
  /** Absolute path of the store. */
  readonly models: string;
  readonly target: OllamaTarget;
}

interface VerifyOllamaOptions extends HubOptions {
  /** Absolute path of the store. */
  readonly models: string;
  /** Model name as `ollama run` takes it. */
  readonly ollama: string;
  readonly quick?: boolean | undefined;
  readonly watch?: Partial<VerifyProgress> | undefined;
}

/**
 * Compares the blobs of a model with the digests in its manifest in the store. Uses no network. Rejects with
 * NOT_FOUND if the store has no such model, INTEGRITY if its manifest is damaged.
 */
export async function verifyOllama(options: VerifyOllamaOptions, run: RunContext): Promise<CheckReport> {
  const { models, quick = false, watch } = options;
  const { endpoint } = hubAccess(options);
  const target = parseStoredName(options.ollama, endpoint);
  const { revision, blobs } = requireModel({ models, target }, run);
  const expected = blobs.map((file) => {
    return { path: blobPath(file), size: file.size, digest: file.digest };
  });
  const records = quick ? installedIn(models, target.name).hashes() : undefined;
  const found = await compareFiles(models, expected, { records, watch }, run);
  return {
    directory: models,
    endpoint: endpointOf(target.repo, endpoint),
    repo: target.hub ?? target.repo,
    revision: target.name.tag,
    commit: revision.id,
    quick,
    ...found,
  };
}

/** Fetches the missing and changed blobs of a model again, by their digests. Returns the number of fetched bytes. */
export async function repairOllama(
  stored: StoredModel,
  findings: readonly Finding[],
  options: TransferOptions,
  run: RunContext,
): Promise<number> {
  return await withModelsHint(() => repairModel(stored, findings, runSettings(options), run));
}

async function repairModel(
  stored: StoredModel,
  findings: readonly Finding[],
  settings: RunSettings,
  run: RunContext,
): Promise<number> {
  const { models: directory, target } = stored;
  const model = requireModel(stored, run);
  const { revision, blobs } = model;
  const wrong = new Set(findings.map(({ path }) => path));
  const selected = blobs.filter((file) => wrong.has(blobPath(file)));
  using http = openHttp(settings, run);
  const source = openOllamaSource(target, { access: settings, run, http, countsAsDownload: true });
  await using store = openModelStore(directory, target.name, model, run);
  const damaged = { revision, selected, changed: new Set<string>() };
  const { fetchedBytes, failures } = await fetchAgain(damaged, settings.transfer, { run, source, store });
  const [first] = failures;
  if (first !== undefined)
    throw goneFromRegistry(someFailed(first, failures.length, fetchedBytes > 0), target);
  const listing = { files: blobs, complete: true };
  await store.publish({ revision, files: selected, listing, complete: true });
  return fetchedBytes;
}

function requireModel({ models, target }: StoredModel, { environment }: RunContext): OllamaModel {
  const model = installedModel(models, target, environment.platform);
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
