import type { RepoType } from '../../model/repo.ts';
import { DEFAULTS, MAX_CONNECTIONS, readEndpoint } from '../../operations/options.ts';
import { WEIGHTS_POLICIES, type WeightsPolicy } from '../../plan/weights-policy.ts';
import type { ProgressChoice } from '../../report/progress/choose-reporter.ts';
import { isTrue } from '../../system/hub-environment.ts';
import type { TransportChoice } from '../../transfer/transport/worker/transport-messages.ts';
import { count, oneOf, rate, seconds, usage } from './parse-values.ts';
import type { FileKey, SettingsLayer } from './settings-file.ts';

/** Options of `download` as commander hands them over: texts, or true for switches. */
export interface DownloadOptions {
  readonly revision?: string;
  readonly localDir?: string;
  readonly cache?: boolean;
  readonly cacheDir?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly repoType?: string;
  readonly type?: string;
  readonly token?: string;
  readonly endpoint?: string;
  readonly connections?: string;
  readonly maxWorkers?: string;
  readonly limitRate?: string;
  readonly retries?: string;
  readonly stallTimeout?: string;
  readonly timeout?: string;
  readonly dryRun?: boolean;
  readonly forceDownload?: boolean;
  readonly ignoreSpace?: boolean;
  readonly replaceRepo?: boolean;
  readonly fits?: string;
  readonly context?: string;
  readonly yes?: boolean;
  readonly weights?: string;
  /** Directories; false for `--no-reuse`, true when neither was given. */
  readonly reuse?: readonly string[] | boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress?: string;
  readonly verbose?: boolean;
  readonly localDirUseSymlinks?: string;
  readonly resumeDownload?: boolean;
  readonly lock?: string;
  readonly frozen?: boolean;
  readonly offline?: boolean;
  readonly prune?: boolean;
  readonly onlyHosts?: string;
  readonly shard?: string;
  readonly record?: string;
}

/** Options of `verify`. */
export interface VerifyOptions extends DownloadOptions {
  readonly quick?: boolean;
  readonly allowExtra?: boolean;
  readonly repair?: boolean;
  readonly repo?: string;
}

/** Options of `branches`. */
export interface BranchesOptions {
  readonly revision?: string;
  readonly fits?: string;
  readonly context?: string;
  readonly sort?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly repoType?: string;
  readonly token?: string;
  readonly endpoint?: string;
  readonly retries?: string;
  readonly stallTimeout?: string;
  readonly timeout?: string;
  readonly onlyHosts?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** A value and where it came from: `--connections`, `HF_ENDPOINT`, `default`. */
export interface Setting<T> {
  readonly value: T;
  readonly origin: string;
}

/** Everything that the user decided, checked, with the origin of each decision. */
export interface DownloadSettings {
  readonly endpoint: Setting<string>;
  readonly repoType: RepoType | undefined;
  readonly connections: Setting<number>;
  readonly retries: Setting<number>;
  readonly stallTimeoutMs: Setting<number>;
  /** Milliseconds for the whole run; undefined for as long as it takes. */
  readonly timeoutMs: Setting<number | undefined>;
  readonly progress: Setting<ProgressChoice>;
  /** Bytes per second over all connections; undefined for no limit. */
  readonly bytesPerSecond: Setting<number | undefined>;
  /** For tests and for finding out what is wrong with a network: not a setting that people need. */
  readonly transport: Setting<TransportChoice>;
  /** No request at all. */
  readonly offline: Setting<boolean>;
  /** Milliseconds without a byte before a request to the hub itself is given up. */
  readonly hubTimeoutMs: Setting<number>;
  /** Comma-separated, as it was written; undefined for any host. */
  readonly onlyHosts: Setting<string | undefined>;
  /** Absolute, or relative to where the command runs: what the directories of downloads are made in. */
  readonly directory: Setting<string>;
  readonly weights: WeightsPolicy;
}

type Variables = Readonly<Record<string, string | undefined>>;

export const REPO_TYPES: readonly RepoType[] = ['model', 'dataset', 'space'];
export const PROGRESS: readonly ProgressChoice[] = ['auto', 'bar', 'plain', 'none'];
const TRANSPORTS: readonly TransportChoice[] = ['auto', 'core', 'raw'];

/**
 * Flag before environment before project file before user file before default. Throws USAGE for a value that
 * makes no sense, naming its origin.
 */
export function readSettings(
  options: DownloadOptions,
  variables: Variables,
  layers: readonly SettingsLayer[] = [],
): DownloadSettings {
  const repoTypes = [options.repoType, options.type].filter((value) => value !== undefined);
  if (new Set(repoTypes).size > 1) throw usage('--repo-type and --type name different types.');
  const flag = (origin: string, text: string | undefined): Found | undefined =>
    text === undefined ? undefined : { text, origin };
  const variable = (name: string): Found | undefined => flag(name, variables[name]?.trim() || undefined);
  const file = (key: FileKey): Found | undefined => {
    const layer = layers.find(({ values }) => values.has(key));
    return layer && flag(layer.path, layer.values.get(key));
  };
  const read = <T>(
    places: readonly (Found | undefined)[],
    fallback: T,
    parse: (origin: string, text: string) => T,
  ): Setting<T> => {
    const found = places.find((place) => place !== undefined);
    if (found === undefined) return { value: fallback, origin: 'default' };
    return { value: parse(found.origin, found.text), origin: found.origin };
  };
  const stallFlag = flag('--stall-timeout', options.stallTimeout);
  const connections = (origin: string, text: string) => count(origin, text, MAX_CONNECTIONS);
  return {
    endpoint: read(
      [flag('--endpoint', options.endpoint), variable('HF_ENDPOINT'), file('endpoint')],
      DEFAULTS.endpoint,
      readEndpoint,
    ),
    repoType: repoTypes[0] === undefined ? undefined : oneOf('--repo-type', repoTypes[0], REPO_TYPES),
    // What `hf` calls workers are its connections.
    connections: read(
      [
        flag('--connections', options.connections),
        flag('--max-workers', options.maxWorkers),
        file('connections'),
      ],
      DEFAULTS.connections,
      connections,
    ),
    retries: read(
      [flag('--retries', options.retries), file('retries')],
      DEFAULTS.retry.tries,
      (origin, text) => count(origin, text, 1000),
    ),
    stallTimeoutMs: read(
      [stallFlag, timeoutVariable(variable('HF_HUB_DOWNLOAD_TIMEOUT')), file('stallTimeout')],
      DEFAULTS.stallTimeoutMs,
      seconds,
    ),
    hubTimeoutMs: read(
      [stallFlag, timeoutVariable(variable('HF_HUB_ETAG_TIMEOUT')), file('stallTimeout')],
      DEFAULTS.stallTimeoutMs,
      seconds,
    ),
    timeoutMs: read<number | undefined>(
      [flag('--timeout', options.timeout), file('timeout')],
      undefined,
      seconds,
    ),
    progress: read<ProgressChoice>(
      [flag('--progress', options.progress), noBars(variables), file('progress')],
      'auto',
      (origin, text) => oneOf(origin, text, PROGRESS),
    ),
    bytesPerSecond: read<number | undefined>(
      [flag('--limit-rate', options.limitRate), file('limitRate')],
      undefined,
      rate,
    ),
    transport: read<TransportChoice>([variable('FETCH_TRANSPORT')], 'auto', (origin, text) =>
      oneOf(origin, text, TRANSPORTS),
    ),
    offline: readOffline(options, variables),
    onlyHosts: read<string | undefined>(
      [flag('--only-hosts', options.onlyHosts), file('onlyHosts')],
      undefined,
      (_origin, text) => text,
    ),
    directory: read([file('directory')], '.', (_origin, text) => text),
    weights: options.weights === undefined ? 'all' : oneOf('--weights', options.weights, WEIGHTS_POLICIES),
  };
}

/** A value as it was written, and where. */
interface Found {
  readonly text: string;
  readonly origin: string;
}

/** Python's client takes 0 for "as usual". */
function timeoutVariable(found: Found | undefined): Found | undefined {
  return found === undefined || Number(found.text) === 0 ? undefined : found;
}

function noBars(variables: Variables): Found | undefined {
  const origin = 'HF_HUB_DISABLE_PROGRESS_BARS';
  return isTrue(variables[origin]) ? { text: 'none', origin } : undefined;
}

/** The options with what the variables of huggingface_hub say about talking more or less. Options go first. */
export function withVerbosity<T extends DownloadOptions>(options: T, variables: Variables): T {
  if (options.verbose !== undefined || options.quiet !== undefined) return options;
  const level = variables['HF_HUB_VERBOSITY']?.trim().toLowerCase();
  if (isTrue(variables['HF_DEBUG']) || level === 'debug') return { ...options, verbose: true };
  return level === 'error' || level === 'critical' ? { ...options, quiet: true } : options;
}

function readOffline(options: DownloadOptions, variables: Variables): Setting<boolean> {
  if (options.offline === true) return { value: true, origin: '--offline' };
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((candidate) => isTrue(variables[candidate]));
  return name === undefined ? { value: false, origin: 'default' } : { value: true, origin: name };
}
