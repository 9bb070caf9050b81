import { join, resolve } from 'node:path';
import { proxyName } from '../../http/proxy.ts';
import type { Target } from '../../model/target.ts';
import type { DownloadOptions as LibraryOptions } from '../../operations/download/download-options.ts';
import { type RunOptions, readPeer } from '../../operations/options.ts';
import { directoryName, type TargetOptions } from '../../operations/target.ts';
import { DEFAULT_SOURCE, parseTarget, sourceKind } from '../../source/naming.ts';
import type { Credential } from '../../source/source.ts';
import { hubCache } from '../../system/hub-environment.ts';
import { chosenCache, linksAllowed, refuseWithCache, refuseWithRegistry } from './cache-location.ts';
import { ollamaModels } from './ollama-location.ts';
import { readShard } from './parse-shard.ts';
import { hubEnvironment, pathOption } from './path-option.ts';
import { type AccessOptions, parseAccess } from './read-access.ts';
import type { DownloadOptions, DownloadSettings } from './settings.ts';

/** A parsed command line: the request, and the settings behind it. */
export interface ParsedCommand {
  readonly target: Target;
  readonly settings: DownloadSettings;
  readonly token: Credential | undefined;
  readonly notes: readonly string[];
  readonly request: ParsedRequest;
  /** Where the path of the cache or of Ollama's store came from, if the files go to one. */
  readonly storeOrigin: string | undefined;
}

/** Options of the download operation, without the target and the run options. */
export type ParsedRequest = Omit<LibraryOptions, keyof TargetOptions | keyof RunOptions> &
  AccessOptions & {
    /** Absolute. */
    readonly directory: string;
  };

/** Parses a command line; throws USAGE. */
export function parseCommand(
  repo: string,
  names: readonly string[],
  options: DownloadOptions,
  usesDirectory = true,
): ParsedCommand {
  // Throws if the working directory was deleted: worker threads could not start.
  process.cwd();
  const { settings, token, notes, transfer } = parseAccess(
    options,
    usesDirectory &&
      options.localDir === undefined &&
      options.ollama !== true &&
      options.cache !== true &&
      options.cacheDir === undefined,
  );
  const target = parseTarget(repo, {
    endpoint: settings.endpoint.value,
    revision: options.revision,
    repoType: settings.repoType,
  });
  const ollama = options.ollama === true ? ollamaModels() : undefined;
  if (sourceKind(target.repo.source) !== DEFAULT_SOURCE) refuseWithRegistry(options);
  const cache = chosenCache(options);
  if (cache !== undefined) refuseWithCache(options);
  const request: ParsedRequest = {
    ...transfer,
    files: names,
    include: options.include,
    exclude: options.exclude,
    directory:
      ollama?.value ?? targetDirectory(options, cache) ?? resolve(defaultDirectory(settings, target)),
    ollama: ollama !== undefined,
    cache: cache === undefined ? undefined : { links: linksAllowed(process.env) },
    weights: settings.weights,
    reuse: reusePlaces(options),
    from: peersOf(options),
    forceDownload: options.forceDownload,
    ignoreSpace: options.ignoreSpace,
    replaceRepo: options.replaceRepo,
    prune: options.prune,
    shard: options.shard === undefined ? undefined : readShard(options, process.env),
  };
  return { target, settings, token, notes, request, storeOrigin: (ollama ?? cache)?.origin };
}

/** The directory that options name; undefined if none does. */
function targetDirectory(
  { localDir }: DownloadOptions,
  cache: { value: string } | undefined,
): string | undefined {
  return cache?.value ?? (localDir === undefined ? undefined : pathOption('--local-dir', localDir));
}

/** Default directory of a download. */
export function defaultDirectory({ directory }: DownloadSettings, target: Target): string {
  return join(directory.value, directoryName(target));
}

/** Where local copies are looked for: beside the directory and in the cache of `hf`, unless options say otherwise. */
function reusePlaces({ reuse }: DownloadOptions): LibraryOptions['reuse'] {
  if (reuse === false) return undefined;
  const named = Array.isArray(reuse)
    ? reuse.map((directory: string) => pathOption('--reuse', directory))
    : [];
  const cache = hubCache(hubEnvironment());
  return { named, siblings: true, hubCache: cache && resolve(cache.path) };
}

/** Addresses of peers. Throws USAGE for what is none. */
function peersOf({ from = [] }: DownloadOptions): readonly string[] {
  return from.map((text) => readPeer(text));
}

/** Where each setting came from, for `--verbose`. The token's value is not among them. */
export function settingLines({ settings, token, request, storeOrigin }: ParsedCommand): string[] {
  const { endpoint, connections, retries, stallTimeoutMs, timeoutMs, bytesPerSecond, transport } = settings;
  return [
    `endpoint ${endpoint.value} (${endpoint.origin})`,
    `token ${token === undefined ? 'none' : `from ${token.origin}`}`,
    storeOrigin === undefined
      ? `directory ${request.directory}`
      : `${request.ollama === true ? "Ollama's store" : 'cache'} ${request.directory} (${storeOrigin})`,
    `connections ${connections.value} (${connections.origin})`,
    `retries ${retries.value} (${retries.origin})`,
    `stall timeout ${stallTimeoutMs.value / 1000} s (${stallTimeoutMs.origin})`,
    `timeout ${timeoutMs.value === undefined ? 'none' : `${timeoutMs.value / 1000} s`} (${timeoutMs.origin})`,
    `rate limit ${bytesPerSecond.value === undefined ? 'none' : `${bytesPerSecond.value} bytes/s`} (${bytesPerSecond.origin})`,
    `transport ${transport.value} (${transport.origin})`,
    ...unusualLines(settings, request),
  ];
}

/** Lines for settings that are rarely set. */
function unusualLines(
  { offline, onlyHosts, protocol }: DownloadSettings,
  { network, shard, from = [] }: ParsedRequest,
): string[] {
  const proxies = [network?.httpsProxy, network?.httpProxy].filter((proxy) => proxy !== undefined);
  return [
    ...(protocol.value === 'auto' ? [] : [`protocol ${protocol.value} (${protocol.origin})`]),
    ...(offline.value ? [`offline (${offline.origin})`] : []),
    ...(onlyHosts.value === undefined ? [] : [`only hosts ${onlyHosts.value} (${onlyHosts.origin})`]),
    ...proxies.map((proxy) => `proxy ${proxyName(proxy)} (${proxy.origin})`),
    ...(network !== undefined && network.certificates.length > 0
      ? [`${network.certificates.length} further certificates of authorities`]
      : []),
    ...from.map((address) => `peer ${address} (--from)`),
    ...(shard === undefined ? [] : [`shard ${shard.index} of ${shard.count}`]),
  ];
}
