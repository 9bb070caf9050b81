import { resolve } from 'node:path';
import { isAllowed } from '../../http/host-policy.ts';
import type { NetworkSettings } from '../../http/network-settings.ts';
import { portOf } from '../../http/url.ts';
import { usage } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import type { Shard } from '../../plan/shard.ts';
import type { WeightsPolicy } from '../../plan/weights-policy.ts';
import { DEFAULT_SOURCE, endpointOf, sourceKind } from '../../source/naming.ts';
import type { LocalCopyRoots } from '../../store/local-copies.ts';
import type { CacheChoice } from '../../store/open-store.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import {
  type RunOptions,
  type RunSettings,
  readPeer,
  runSettings,
  type TransferOptions,
} from '../options.ts';
import { directoryName, revisionNameOf, type TargetOptions, targetOf } from '../target.ts';
import type { StaleFiles } from './prune.ts';
import type { RevisionRequest } from './resolver.ts';

/** What to download, from where, to where, and how. Only `repo` is required. */
export interface DownloadOptions extends TargetOptions, TransferOptions, RunOptions {
  /**
   * Where the files go; need not exist. If left out, `./NAME` for `main` and `./NAME_REV` for any other revision.
   * With `cache`, the root of the cache.
   */
  readonly directory?: string | undefined;
  /** Files or directories of the repository; everything if left out. */
  readonly files?: readonly string[] | undefined;
  /** Only paths that match one of these patterns. */
  readonly include?: readonly string[] | undefined;
  /** No paths that match one of these patterns. */
  readonly exclude?: readonly string[] | undefined;
  /** Which of several formats of the same weights; `all` if left out. */
  readonly weights?: WeightsPolicy | undefined;
  /** Fetch even files that are already right. */
  readonly forceDownload?: boolean | undefined;
  /** Continue although the directory holds another repository, whose files may then be replaced. */
  readonly replaceRepo?: boolean | undefined;
  /** Continue although the disk looks too small. */
  readonly ignoreSpace?: boolean | undefined;
  /** Where local copies of the same content may be: directories (`named`), those beside the target (`siblings`), the cache of `hf` (`hubCache`). A copy is hashed before it is used. Nothing is copied if left out. */
  readonly reuse?: Pick<LocalCopyRoots, 'named' | 'siblings' | 'hubCache'> | undefined;
  /**
   * Addresses of peers: machines that run `fetch serve`, or mirrors. Bytes that they have come from there, the rest from the
   * hub, whose hashes decide. They get no token. With `offline` they also say what the revision is. For the Hub only (USAGE).
   */
  readonly from?: readonly string[] | undefined;
  /** Use exactly the commit and the files of this lockfile. INTEGRITY if the hub lists others. */
  readonly lock?: Lockfile | undefined;
  /** Then delete stale files: unedited files of an earlier run that the revision no longer has. */
  readonly prune?: boolean | undefined;
  /** Only one of several parts of the selection; all of it if left out. */
  readonly shard?: Shard | undefined;
  /**
   * Store the files in a central cache, in the layout of the Hub's own clients. Excludes `prune` and `shard` (USAGE).
   */
  readonly cache?: CacheChoice | undefined;
  /**
   * Store the files in the Ollama store whose root is `directory`, so that `ollama run` finds the model. Only for a
   * whole tag of an Ollama registry, or for GGUF files of the Hub. Excludes everything that selects files, and
   * `cache`, `lock`, `prune` and `shard` (USAGE).
   */
  readonly ollama?: boolean | undefined;
  /**
   * Called once, when the transfer starts, with a function that describes what every connection is doing, one text
   * each.
   */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
}

/** Options that need no default. */
type OptionalSettings = Pick<
  DownloadOptions,
  | 'cache'
  | 'forceDownload'
  | 'ignoreSpace'
  | 'lock'
  | 'onStatus'
  | 'prune'
  | 'replaceRepo'
  | 'reuse'
  | 'shard'
>;

/** The options of a download with defaults filled in and the target parsed. */
export interface DownloadRequest extends RunSettings, RevisionRequest, OptionalSettings {
  /** Absolute path of the target directory, or with `cache` that of the root of the cache. Need not exist. */
  readonly directory: string;
  /** Addresses of peers, each once, without a slash at the end. */
  readonly from: readonly string[];
  /** The peers say what the revision is, and nothing else is contacted: `offline` with `from`. Then `offline` is false. */
  readonly onlyPeers: boolean;
  /** Decide everything, write nothing. */
  readonly dryRun: boolean;
}

/** The result of `download`. */
export interface DownloadOutcome {
  /** The resolved revision. */
  readonly revision: Revision;
  /** Absolute path of the files: the target directory, or the snapshot in the cache. */
  readonly directory: string;
  /** What was decided before anything was done. */
  readonly plan: Plan;
  /** Bytes that were fetched over the network; 0 for a dry run. */
  readonly fetchedBytes: number;
  /** Bytes that the network carried for them: fewer where they came packed, more where some came twice. */
  readonly wireBytes?: number;
  /** With `from`: bytes of `fetchedBytes` that peers sent. */
  readonly peerBytes?: number;
  /** Bytes of files that were copied from this machine. */
  readonly copiedBytes?: number;
  /** With `prune`: what was deleted, or would be. */
  readonly staleFiles?: StaleFiles;
  /** With `ollama`: the name of the model as `ollama run` takes it. */
  readonly ollamaName?: string;
}

/** Throws USAGE for an invalid value. */
export function parseRequest(options: DownloadOptions, dryRun: boolean): DownloadRequest {
  const given = runSettings(options);
  const target = targetOf(options, given.endpoint);
  const from = readPeers(options.from ?? [], target.repo);
  const onlyPeers = given.offline && from.length > 0;
  const settings = onlyPeers ? confined(given, from) : given;
  const { files = [], include = [], exclude = [], weights = 'all' } = options;
  return {
    ...options,
    ...settings,
    endpoint: endpointOf(target.repo, settings.endpoint),
    ...revisionNameOf(target),
    selection: { names: files, path: target.path, include, exclude },
    weights,
    directory: resolve(options.directory ?? directoryName(target)),
    from,
    onlyPeers,
    dryRun,
  };
}

function readPeers(from: readonly string[], repo: RepoRef): readonly string[] {
  if (from.length > 0 && sourceKind(repo.source) !== DEFAULT_SOURCE) {
    throw usage(
      'A model of a registry and peers do not go together.',
      'Peers serve what comes from the Hub. Leave --from (option `from`) out.',
    );
  }
  return [...new Set(from.map((text) => readPeer(text)))];
}

/** Settings with which no host but these peers can be contacted. */
function confined(settings: RunSettings, peers: readonly string[]): RunSettings {
  const direct = { httpsProxy: undefined, httpProxy: undefined, noProxy: '', certificates: [] };
  const given: NetworkSettings = settings.network ?? { ...direct, onlyHosts: undefined };
  const urls = peers.map((address) => new URL(address)).filter((url) => isAllowed(url, given.onlyHosts));
  const network = { ...given, onlyHosts: urls.map(hostWithPort) };
  return { ...settings, offline: false, network, transfer: { ...settings.transfer, network } };
}

function hostWithPort(url: URL): string {
  return `${url.hostname}:${portOf(url)}`;
}
