import { type FetchError, usage } from '../../model/error.ts';
import { type RepoRef, repoPath } from '../../model/repo.ts';
import type { Target } from '../../model/target.ts';
import { HUB_HOSTS } from '../../source/hub/web-address.ts';
import { DEFAULT_TAG, parseOllamaName, placeOf } from '../../source/registry/name.ts';
import type { OllamaName } from '../../store/ollama-name.ts';

/** A model for Ollama: its name in the store, and its source. */
export interface OllamaTarget {
  readonly name: OllamaName;
  /** The repository in a registry. */
  readonly repo: RepoRef;
  /** The repository of the Hub with the weights; undefined if a registry has everything. */
  readonly hub: RepoRef | undefined;
}

/** The host in Ollama's names for models of the Hub. */
const HUB_NAME = 'hf.co';

/**
 * What a target means to Ollama: a tag of a registry, or a GGUF quantisation of a repository of the Hub. `endpoint`
 * is the hub in use. Throws USAGE for a target that Ollama cannot have.
 */
export function ollamaTarget(target: Target, endpoint: string): OllamaTarget {
  const { repo, path } = target;
  if (path !== undefined)
    throw refused(`a part of ${repoPath(repo)} is not a model`, 'Name the whole model, without a file.');
  if (repo.source === 'ollama') return ofRegistry(repo, target.revision ?? DEFAULT_TAG, endpoint);
  if (repo.source !== undefined && repo.source !== 'hub')
    throw refused(`${repoPath(repo)} is a model of another registry`, ADVICE);
  if (repo.type !== 'model') throw refused(`${repoPath(repo)} is a ${repo.type}`, ADVICE);
  return ofHub(repo, hubTag(target), endpoint);
}

/**
 * Parses a model name as `ollama run` takes it: `mixtral:8x7b`, `hf.co/OWNER/NAME:Q4_K_M`; with or without
 * `ollama://`. Throws USAGE.
 */
export function parseStoredName(text: string, endpoint: string): OllamaTarget {
  const name = text.trim().replace(/^ollama:\/\//i, '');
  const { repo, reference } = parseOllamaName(name);
  return ofRegistry(repo, reference ?? DEFAULT_TAG, endpoint);
}

function ofRegistry(repo: RepoRef, tag: string, endpoint: string): OllamaTarget {
  if (tag.includes(':')) throw refused('a digest cannot be the name of a model', 'Name a tag.');
  const { host, repository } = placeOf(repo);
  const [namespace = '', model = ''] = repository.split('/');
  if (HUB_HOSTS.has(host)) return ofHub({ type: 'model', id: repository }, tag, endpoint);
  return { name: { host, namespace, model, tag }, repo, hub: undefined };
}

function ofHub(hub: RepoRef, tag: string, endpoint: string): OllamaTarget {
  const [namespace, model] = hub.id.split('/');
  if (namespace === undefined || model === undefined)
    throw refused(`${hub.id} has no owner`, 'Its name has to be OWNER/NAME for Ollama.');
  if (new URL(endpoint).pathname !== '/')
    throw refused(`the endpoint ${endpoint} has a path`, 'Use an endpoint at the root of a host.');
  const { repo } = parseOllamaName(`${endpoint}/${hub.id}`);
  return { name: { host: HUB_NAME, namespace, model, tag }, repo, hub };
}

/** The Hub makes manifests only for its main branch. */
function hubTag({ repo, revision, revisionOrigin, quantisation }: Target): string {
  if (revisionOrigin === 'colon' && revision !== undefined && revision !== 'main') return revision;
  if (revision === undefined || revision === 'main') return quantisation ?? DEFAULT_TAG;
  throw refused(
    `Ollama takes the main branch of the Hub, not ${revision}`,
    `Write the quantisation behind a colon: fetch ${repo.id}:Q4_K_M --ollama.`,
  );
}

const ADVICE = 'Name a model of Ollama (ollama://NAME:TAG) or GGUF of the Hub (OWNER/NAME:Q4_K_M).';

function refused(why: string, hint: string): FetchError {
  return usage(`--ollama cannot be used here: ${why}.`, hint);
}
