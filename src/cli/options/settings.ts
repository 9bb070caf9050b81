import { usage } from '../../model/error.ts';
import type { RepoType } from '../../model/repo.ts';
import { DEFAULTS, MAX_CONNECTIONS, MAX_WORKERS, readEndpoint } from '../../operations/options.ts';
import { WEIGHTS_POLICIES, type WeightsPolicy } from '../../plan/weights-policy.ts';
import type { ProgressChoice } from '../../report/progress/choose-reporter.ts';
import { isTrue } from '../../system/hub-environment.ts';
import type { Protocol, TransportChoice } from '../../transfer/transfer-settings.ts';
import { count, oneOf, rate, SEE_HELP, seconds } from './parse-values.ts';
import type { FileKey, SettingsLayer } from './settings-file.ts';

/** Options of `download` as commander returns them: text, or true for switches. */
export interface DownloadOptions {
  readonly revision?: string;
  readonly localDir?: string;
  readonly cache?: boolean;
  readonly cacheDir?: string;
  readonly ollama?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly repoType?: string;
  readonly type?: string;
  readonly token?: string;
  readonly endpoint?: string;
  readonly connections?: string;
  readonly maxWorkers?: string;
  readonly limitRate?: string;
  readonly protocol?: string;
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
  readonly from?: readonly string[];
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

/** The user's settings, validated, each with its origin. */
export interface DownloadSettings {
  readonly endpoint: Setting<string>;
  readonly repoType: RepoType | undefined;
  readonly connections: Setting<number>;
  readonly retries: Setting<number>;
  readonly stallTimeoutMs: Setting<number>;
  /** Milliseconds for the whole run; undefined for no limit. */
  readonly timeoutMs: Setting<number | undefined>;
  readonly progress: Setting<ProgressChoice>;
  /** Bytes per second over all connections; undefined for no limit. */
  readonly bytesPerSecond: Setting<number | undefined>;
  /** For tests and for diagnosing a network. */
  readonly transport: Setting<TransportChoice>;
  /** For tests and measurements; undefined where the processors decide. */
  readonly hashWorkers: Setting<number | undefined>;
  readonly ioWorkers: Setting<number | undefined>;
  /** Make no request. */
  readonly offline: Setting<boolean>;
  /** Milliseconds without a byte before a request to the hub fails. */
  readonly hubTimeoutMs: Setting<number>;
  /** Comma-separated, as it was written; undefined for any host. */
  readonly onlyHosts: Setting<string | undefined>;
  /** Parent of the default directories: absolute, or relative to the working directory. */
  readonly directory: Setting<string>;
  readonly weights: WeightsPolicy;
  /** How files that the hub keeps in Xet come. */
  readonly protocol: Setting<Protocol>;
}

type Variables = Readonly<Record<string, string | undefined>>;

export const REPO_TYPES: readonly RepoType[] = ['model', 'dataset', 'space'];
export const PROGRESS: readonly ProgressChoice[] = ['auto', 'bar', 'plain', 'none'];
export const PROTOCOLS: readonly Protocol[] = ['auto', 'http', 'xet'];
const TRANSPORTS: readonly TransportChoice[] = ['auto', 'core', 'raw'];

/**
 * Flag before environment before project file before user file before default. Throws USAGE for an
 * invalid value, naming its origin.
 */
export function readSettings(
  options: DownloadOptions,
  variables: Variables,
  layers: readonly SettingsLayer[] = [],
): DownloadSettings {
  const places = new SettingPlaces(variables, layers);
  return {
    ...requestSettings(options, places),
    ...runSettings(options, places),
    repoType: repoTypeOf(options),
    weights: options.weights === undefined ? 'all' : oneOf('--weights', options.weights, WEIGHTS_POLICIES),
  };
}

/** A value as it was written, and where. */
interface Found {
  readonly text: string;
  readonly origin: string;
}

/** The places of a setting, in the form that `read` takes. */
class SettingPlaces {
  readonly variables: Variables;
  readonly #layers: readonly SettingsLayer[];

  constructor(variables: Variables, layers: readonly SettingsLayer[]) {
    this.variables = variables;
    this.#layers = layers;
  }

  variable(name: string): Found | undefined {
    return flag(name, this.variables[name]?.trim() || undefined);
  }

  file(key: FileKey): Found | undefined {
    const layer = this.#layers.find(({ values }) => values.has(key));
    return layer && flag(layer.path, layer.values.get(key));
  }
}

function flag(origin: string, text: string | undefined): Found | undefined {
  return text === undefined ? undefined : { text, origin };
}

/** The first place that has a value decides. */
function read<T>(
  places: readonly (Found | undefined)[],
  fallback: T,
  parse: (origin: string, text: string) => T,
): Setting<T> {
  const found = places.find((place) => place !== undefined);
  if (found === undefined) return { value: fallback, origin: 'default' };
  return { value: parse(found.origin, found.text), origin: found.origin };
}

/** How requests are made. */
function requestSettings(options: DownloadOptions, places: SettingPlaces) {
  const stallFlag = flag('--stall-timeout', options.stallTimeout);
  const stall = (variable: string) =>
    read(
      [stallFlag, timeoutVariable(places.variable(variable)), places.file('stallTimeout')],
      DEFAULTS.stallTimeoutMs,
      seconds,
    );
  const workers = (variable: string) =>
    read<number | undefined>([places.variable(variable)], undefined, (origin, text) =>
      count(origin, text, MAX_WORKERS),
    );
  return {
    endpoint: read(
      [flag('--endpoint', options.endpoint), places.variable('HF_ENDPOINT'), places.file('endpoint')],
      DEFAULTS.endpoint,
      readEndpoint,
    ),
    retries: read(
      [flag('--retries', options.retries), places.file('retries')],
      DEFAULTS.retry.tries,
      (origin, text) => count(origin, text, 1000),
    ),
    stallTimeoutMs: stall('HF_HUB_DOWNLOAD_TIMEOUT'),
    hubTimeoutMs: stall('HF_HUB_ETAG_TIMEOUT'),
    transport: read<TransportChoice>([places.variable('FETCH_TRANSPORT')], 'auto', (origin, text) =>
      oneOf(origin, text, TRANSPORTS),
    ),
    hashWorkers: workers('FETCH_HASH_WORKERS'),
    ioWorkers: workers('FETCH_IO_WORKERS'),
    offline: readOffline(options, places.variables),
    onlyHosts: read<string | undefined>(
      [flag('--only-hosts', options.onlyHosts), places.file('onlyHosts')],
      undefined,
      (_origin, text) => text,
    ),
  };
}

/** Concurrency, limits, target and display of a run. */
function runSettings(options: DownloadOptions, places: SettingPlaces) {
  return {
    // `hf` calls connections workers.
    connections: read(
      [
        flag('--connections', options.connections),
        flag('--max-workers', options.maxWorkers),
        places.file('connections'),
      ],
      DEFAULTS.connections,
      (origin, text) => count(origin, text, MAX_CONNECTIONS),
    ),
    timeoutMs: read<number | undefined>(
      [flag('--timeout', options.timeout), places.file('timeout')],
      undefined,
      seconds,
    ),
    progress: read<ProgressChoice>(
      [flag('--progress', options.progress), noBars(places.variables), places.file('progress')],
      'auto',
      (origin, text) => oneOf(origin, text, PROGRESS),
    ),
    bytesPerSecond: read<number | undefined>(
      [flag('--limit-rate', options.limitRate), places.file('limitRate')],
      undefined,
      rate,
    ),
    protocol: read<Protocol>(
      [flag('--protocol', options.protocol), noXet(places.variables)],
      'auto',
      (origin, text) => oneOf(origin, text, PROTOCOLS),
    ),
    directory: read([places.file('directory')], '.', (_origin, text) => text),
  };
}

function repoTypeOf({ repoType, type }: DownloadOptions): RepoType | undefined {
  const [first, ...others] = [repoType, type].filter((value) => value !== undefined);
  if (others.some((other) => other !== first))
    throw usage('--repo-type and --type name different types.', SEE_HELP);
  return first === undefined ? undefined : oneOf('--repo-type', first, REPO_TYPES);
}

/** In huggingface_hub, 0 means the default. */
function timeoutVariable(found: Found | undefined): Found | undefined {
  return found === undefined || Number(found.text) === 0 ? undefined : found;
}

/** huggingface_hub's switch. */
function noXet(variables: Variables): Found | undefined {
  const origin = 'HF_HUB_DISABLE_XET';
  return isTrue(variables[origin]) ? { text: 'http', origin } : undefined;
}

function noBars(variables: Variables): Found | undefined {
  const origin = 'HF_HUB_DISABLE_PROGRESS_BARS';
  return isTrue(variables[origin]) ? { text: 'none', origin } : undefined;
}

/** Applies huggingface_hub's variables for verbosity, unless an option sets it. */
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
