import { resolve } from 'node:path';
import type { Plan } from '../../model/plan.ts';
import type { Revision } from '../../model/repo.ts';
import type { Shard } from '../../plan/shard.ts';
import type { WeightsPolicy } from '../../plan/weights-policy.ts';
import { endpointOf } from '../../source/naming.ts';
import type { LocalCopyRoots } from '../../store/local-copies.ts';
import type { CacheChoice } from '../../store/open-store.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { type RunOptions, type TransferOptions, transferSettings } from '../options.ts';
import { directoryName, revisionNameOf, type TargetOptions, targetOf } from '../target.ts';
import type { TransferSettings } from './execute-plan.ts';
import type { StaleFiles } from './prune.ts';
import type { RevisionRequest } from './resolver.ts';

/** What to download, where from, where to, and how hard to try. Only `repo` is needed. */
export interface DownloadOptions extends TargetOptions, TransferOptions, RunOptions {
  /**
   * Where the files go; need not exist. `./NAME` for `main` and `./NAME_REV` for any other revision if left out. With
   * `cache`, the root of the cache.
   */
  readonly directory?: string | undefined;
  /** Files or directories of the repository; all of it if left out. */
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
  readonly reuse?: Pick<LocalCopyRoots, 'named' | 'siblings' | 'hubCache'> | undefined;
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

/** Options that need no default. */
type OptionalSettings = Pick<
  DownloadOptions,
  'cache' | 'forceDownload' | 'ignoreSpace' | 'lock' | 'prune' | 'replaceRepo' | 'reuse' | 'shard'
>;

/** The options of a download with defaults filled in and the target parsed. */
export interface DownloadRequest extends TransferSettings, RevisionRequest, OptionalSettings {
  /** Absolute path of the target directory, or with `cache` that of the root of the cache. Need not exist. */
  readonly directory: string;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
}

/** What `download` gives. */
export interface DownloadOutcome {
  /** What was resolved. */
  readonly revision: Revision;
  /** Absolute path of where the files stand: the target directory, or the snapshot in the cache. */
  readonly directory: string;
  /** What was decided before anything was done. */
  readonly plan: Plan;
  /** Bytes of files that came from the source; 0 for a dry run. */
  readonly fetchedBytes: number;
  /** Bytes that the network carried for them: fewer where they came packed, more where some came twice. */
  readonly wireBytes?: number;
  /** Bytes of files that were copied from this machine. */
  readonly copiedBytes?: number;
  /** With `prune`: what was deleted, or would be. */
  readonly staleFiles?: StaleFiles;
  /** With `ollama`: the name of the model as `ollama run` takes it. */
  readonly ollamaName?: string;
}

/** Throws USAGE for a value that makes no sense. */
export function parseRequest(options: DownloadOptions, dryRun: boolean): DownloadRequest {
  const settings = transferSettings(options);
  const target = targetOf(options, settings.endpoint);
  const { files = [], include = [], exclude = [], weights = 'all' } = options;
  return {
    ...options,
    ...settings,
    endpoint: endpointOf(target.repo, settings.endpoint),
    ...revisionNameOf(target),
    selection: { names: files, path: target.path, include, exclude },
    weights,
    directory: resolve(options.directory ?? directoryName(target)),
    dryRun,
  };
}
