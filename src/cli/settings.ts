import { FetchError } from '../model/error.ts';
import type { RepoType } from '../model/repo.ts';
import type { ProgressChoice } from '../report/choose-reporter.ts';
import type { TransportChoice } from '../transfer/io-messages.ts';

/** Options of `download` as commander hands them over: texts, or true for switches. */
export interface DownloadOptions {
  readonly revision?: string;
  readonly localDir?: string;
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
}

/** Options of `verify`. */
export interface VerifyOptions extends DownloadOptions {
  readonly quick?: boolean;
  readonly repair?: boolean;
  readonly repo?: string;
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
  readonly progress: ProgressChoice;
  /** Bytes per second over all connections; undefined for no limit. */
  readonly bytesPerSecond: Setting<number | undefined>;
  readonly transport: Setting<TransportChoice>;
  /** No request at all. */
  readonly offline: Setting<boolean>;
}

type Variables = Readonly<Record<string, string | undefined>>;

const REPO_TYPES: readonly RepoType[] = ['model', 'dataset', 'space'];
const PROGRESS: readonly ProgressChoice[] = ['auto', 'bar', 'plain', 'none'];
const TRANSPORTS: readonly TransportChoice[] = ['auto', 'core', 'raw'];
const MAX_CONNECTIONS = 256;

/** Flag before environment before default. Throws USAGE for a value that makes no sense, naming its origin. */
export function readSettings(
  options: DownloadOptions,
  variables: Variables,
  defaults: Defaults,
): DownloadSettings {
  const repoTypes = [options.repoType, options.type].filter((value) => value !== undefined);
  if (new Set(repoTypes).size > 1) throw usage('--repo-type and --type name different types.');
  return {
    endpoint: readEndpoint(options, variables, defaults.endpoint),
    repoType: repoTypes[0] === undefined ? undefined : oneOf('--repo-type', repoTypes[0], REPO_TYPES),
    connections: readConnections(options),
    retries:
      options.retries === undefined
        ? { value: defaults.retries, origin: 'default' }
        : { value: count('--retries', options.retries, 1000), origin: '--retries' },
    stallTimeoutMs:
      options.stallTimeout === undefined
        ? { value: defaults.stallTimeoutMs, origin: 'default' }
        : { value: seconds('--stall-timeout', options.stallTimeout), origin: '--stall-timeout' },
    timeoutMs:
      options.timeout === undefined
        ? { value: undefined, origin: 'default' }
        : { value: seconds('--timeout', options.timeout), origin: '--timeout' },
    progress: options.progress === undefined ? 'auto' : oneOf('--progress', options.progress, PROGRESS),
    bytesPerSecond:
      options.limitRate === undefined
        ? { value: undefined, origin: 'default' }
        : { value: rate('--limit-rate', options.limitRate), origin: '--limit-rate' },
    transport: readTransport(variables),
    offline: readOffline(options, variables),
  };
}

export interface Defaults {
  readonly endpoint: string;
  readonly retries: number;
  readonly stallTimeoutMs: number;
}

/** An upper bound: how many are really used follows from what they bring. */
const DEFAULT_CONNECTIONS = 32;

function readConnections(options: DownloadOptions): Setting<number> {
  const { connections, maxWorkers } = options;
  if (connections !== undefined) {
    return { value: count('--connections', connections, MAX_CONNECTIONS), origin: '--connections' };
  }
  // What `hf` calls workers are its connections.
  if (maxWorkers !== undefined) {
    return { value: count('--max-workers', maxWorkers, MAX_CONNECTIONS), origin: '--max-workers' };
  }
  return { value: DEFAULT_CONNECTIONS, origin: 'default' };
}

function readEndpoint(options: DownloadOptions, variables: Variables, fallback: string): Setting<string> {
  const fromVariable = variables['HF_ENDPOINT']?.trim();
  const [text, origin] =
    options.endpoint !== undefined
      ? [options.endpoint.trim(), '--endpoint']
      : fromVariable
        ? [fromVariable, 'HF_ENDPOINT']
        : [fallback, 'default'];
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usage(`${origin}: "${text}" is no address.`, 'Write it as https://HOST.');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw usage(`${origin}: an endpoint begins with https:// or http://.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw usage(`${origin}: an endpoint has no user and password in it.`, 'Use --token for the credential.');
  }
  return { value: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, origin };
}

function readOffline(options: DownloadOptions, variables: Variables): Setting<boolean> {
  if (options.offline === true) return { value: true, origin: '--offline' };
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((candidate) => isTrue(variables[candidate]));
  return name === undefined ? { value: false, origin: 'default' } : { value: true, origin: name };
}

/** As Python's huggingface_hub reads its switches; everything else is false. */
export function isTrue(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '');
}

/** For tests and for finding out what is wrong with a network: not a setting that people need. */
function readTransport(variables: Variables): Setting<TransportChoice> {
  const text = variables['FETCH_TRANSPORT'];
  if (text === undefined || text === '') return { value: 'auto', origin: 'default' };
  return { value: oneOf('FETCH_TRANSPORT', text, TRANSPORTS), origin: 'FETCH_TRANSPORT' };
}

/** `20M` is 20,000,000 bytes per second: powers of 1000, as sizes are printed. */
function rate(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?(?:\/s)?$/i.exec(text.trim());
  const value =
    match === null ? 0 : Number(match[1]) * 1000 ** ' kmgt'.indexOf(match[2]!.toLowerCase() || ' ');
  if (value < 1000) throw usage(`${option} takes a rate of at least 1k, such as 20M or 500k, not "${text}".`);
  return Math.round(value);
}

function count(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < 1 || value > most) {
    throw usage(`${option} takes a whole number from 1 to ${most}, not "${text}".`);
  }
  return value;
}

function seconds(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text.trim()) || value <= 0 || value > 2_000_000) {
    throw usage(`${option} takes a number of seconds greater than 0, not "${text}".`);
  }
  return value * 1000;
}

function oneOf<T extends string>(option: string, text: string, values: readonly T[]): T {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) throw usage(`${option} takes ${values.join(', ')}, not "${text}".`);
  return value;
}

function usage(message: string, hint?: string): FetchError {
  return new FetchError('USAGE', message, { hint: hint ?? 'See `fetch --help`.' });
}
