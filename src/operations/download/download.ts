import { resolve } from 'node:path';
import type { Shard } from '../../plan/shard.ts';
import type { WeightsPolicy } from '../../plan/weights-policy.ts';
import { defaultRevision, endpointOf } from '../../source/naming.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { ollamaTarget } from '../ollama/ollama-target.ts';
import { type PullRequest, pullForOllama } from '../ollama/pull.ts';
import type { CacheChoice } from '../open-store.ts';
import { type RunOptions, type TransferOptions, transferSettings, usage } from '../options.ts';
import { type Run, withRunContext } from '../run.ts';
import { directoryName, type TargetOptions, targetOf } from '../target.ts';
import { type DownloadOutcome, type DownloadRequest, download as runDownload } from './run-download.ts';

/** What to download, where from, where to, and how hard to try. Only `repo` is needed. */
export interface DownloadOptions extends TargetOptions, TransferOptions, RunOptions {
  /**
   * Where the files go; need not exist. `./NAME` for `main` and `./NAME_REV` for any other revision if left out. With
   * `cache`, the root of the cache.
   */
  readonly directory?: string | undefined;
  /** Files or folders of the repository; all of it if left out. */
  readonly files?: readonly string[] | undefined;
  /** Only paths that match one of these. */
  readonly include?: readonly string[] | undefined;
  /** No paths that match one of these. */
  readonly exclude?: readonly string[] | undefined;
  /** Which of several formats of the same weights; `all` if left out. */
  readonly weights?: WeightsPolicy | undefined;
  /** Fetch even what is already right. */
  readonly forceDownload?: boolean | undefined;
  /** Go on although the directory holds another repository, whose files may then be replaced. */
  readonly replaceRepo?: boolean | undefined;
  /** Go on although the disk looks too small. */
  readonly ignoreSpace?: boolean | undefined;
  /** Where local copies of the same content may be: directories (`named`), those beside the target (`siblings`), the cache of `hf` (`hubCache`). A copy is hashed before it is used. Nothing is copied if left out. */
  readonly reuse?: DownloadRequest['reuse'];
  /** Use exactly the commit and files of this lockfile; INTEGRITY if the hub lists others. */
  readonly lock?: Lockfile | undefined;
  /** Afterwards delete stale files: unedited files of an earlier run that the revision no longer has. */
  readonly prune?: boolean | undefined;
  /** Only one of several parts of what is selected; all of it if left out. */
  readonly shard?: Shard | undefined;
  /** Into a central cache, in the layout of the Hub's own clients. Not together with `prune` and `shard` (USAGE). */
  readonly cache?: CacheChoice | undefined;
  /**
   * Into the store of Ollama whose root is `directory`, so that `ollama run` finds the model. Only a whole tag of an Ollama
   * registry, or GGUF of the Hub; not together with what selects files, nor with `cache`, `lock`, `prune` and `shard` (USAGE).
   */
  readonly ollama?: boolean | undefined;
  /** Called once, when the transfer starts, with a function that describes what every connection is doing: a text each. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
}

/**
 * Pins the revision to a commit, lists it, fetches what is missing, verifies every byte and writes the manifest. A run
 * that ended early is continued by the same call.
 *
 * Rejects with a FetchError: USAGE, NOT_FOUND, ACCESS, NETWORK, INTEGRITY, DISK, LOCKED or ABORTED. Prints nothing.
 */
export async function download(options: DownloadOptions): Promise<DownloadOutcome> {
  return await withRunContext(options, (run) => start(options, false, run));
}

/** What `plan` gives. */
export type PlanOutcome = Omit<DownloadOutcome, 'fetchedBytes'>;

/**
 * What `download` would do with the same options, file by file: looks at the hub and at the directory, and changes
 * nothing. Rejects as `download` does.
 */
export async function plan(options: DownloadOptions): Promise<PlanOutcome> {
  return await withRunContext(options, async (run) => {
    const { fetchedBytes: _none, ...found } = await start(options, true, run);
    return found;
  });
}

async function start(
  options: DownloadOptions,
  dryRun: boolean,
  { environment, emit, signal }: Run,
): Promise<DownloadOutcome> {
  if (options.ollama !== true)
    return await runDownload(requestOf(options, dryRun), environment, emit, signal, options.onStatus);
  return await pullForOllama(pullRequestOf(options, dryRun), environment, emit, signal, options.onStatus);
}

/** What `ollama` makes no sense with: a model of Ollama is whole, and its store has no records of one directory. */
const NOT_WITH_OLLAMA = [
  'files',
  'include',
  'exclude',
  'cache',
  'lock',
  'prune',
  'shard',
  'replaceRepo',
] as const;

function pullRequestOf(options: DownloadOptions, dryRun: boolean): PullRequest {
  const settings = transferSettings(options);
  for (const name of NOT_WITH_OLLAMA) {
    const value = options[name];
    if (value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
      throw usage(`ollama and ${name} do not go together.`);
  }
  if (options.directory === undefined) throw usage('ollama needs the directory of the store.');
  return {
    ...settings,
    target: ollamaTarget(targetOf(options, settings.endpoint), settings.endpoint),
    directory: resolve(options.directory),
    reuse: options.reuse,
    forceDownload: options.forceDownload ?? false,
    ignoreSpace: options.ignoreSpace ?? false,
    dryRun,
  };
}

function requestOf(options: DownloadOptions, dryRun: boolean): DownloadRequest {
  const settings = transferSettings(options);
  const target = targetOf(options, settings.endpoint);
  const { files = [], include = [], exclude = [], weights = 'all' } = options;
  return {
    ...settings,
    endpoint: endpointOf(target.repo, settings.endpoint),
    repo: target.repo,
    revision: target.revision ?? defaultRevision(target.repo),
    mayBeQuantisation: target.revisionOrigin === 'colon',
    quantisation: target.quantisation,
    selection: { names: files, path: target.path, include, exclude },
    weights,
    directory: resolve(options.directory ?? directoryName(target)),
    cache: options.cache,
    reuse: options.reuse,
    lock: options.lock,
    shard: options.shard,
    prune: options.prune ?? false,
    forceDownload: options.forceDownload ?? false,
    ignoreSpace: options.ignoreSpace ?? false,
    replaceRepo: options.replaceRepo ?? false,
    dryRun,
  };
}
