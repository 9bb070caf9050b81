import { resolve } from 'node:path';
import { FetchError, usage } from '../../model/error.ts';
import { hubCache, isTrue } from '../../system/hub-environment.ts';
import { hubEnvironment, pathOption } from './path-option.ts';
import type { Setting } from './settings.ts';

export interface CacheOptions {
  readonly cache?: boolean;
  readonly cacheDir?: string;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The central cache that a download was told to use; undefined if it writes to a directory. */
export function chosenCache(
  options: CacheOptions & { readonly localDir?: string },
): Setting<string> | undefined {
  if (options.cache !== true && options.cacheDir === undefined) return undefined;
  if (options.localDir !== undefined) {
    const option = options.cacheDir === undefined ? '--cache' : '--cache-dir';
    throw usage(`--local-dir and ${option} name two places for the same files.`, 'Leave one of them out.');
  }
  return cachePlace(options);
}

/** Throws USAGE for options that need the records of one directory, which a cache of many revisions lacks. */
export function refuseWithCache({
  prune,
  shard,
}: {
  readonly prune?: boolean;
  readonly shard?: string;
}): void {
  const refused = (option: string, hint: string) =>
    new FetchError('USAGE', `The central cache and ${option} do not go together.`, { hint });
  if (prune === true) {
    throw refused(
      '--prune',
      'A snapshot only has what its commit has. An old one is removed with `fetch cache rm REPO@REV`.',
    );
  }
  if (shard !== undefined) throw refused('--shard', 'Parts meet in a directory: use --local-dir.');
}

/** Throws USAGE for options of the Hub, if a registry is named. */
export function refuseWithRegistry({
  endpoint,
  cache,
  cacheDir,
  from,
}: CacheOptions & { readonly endpoint?: string; readonly from?: readonly string[] }): void {
  const refused = (option: string, hint: string) =>
    new FetchError('USAGE', `A model of a registry and ${option} do not go together.`, { hint });
  if (endpoint !== undefined)
    throw refused(
      '--endpoint',
      'The name of the model names its registry: ollama://HOST/NAMESPACE/NAME, oci://HOST/NAME.',
    );
  if (from !== undefined) throw refused('--from', 'Machines that run `fetch serve` have models of the Hub.');
  if (cache === true || cacheDir !== undefined)
    throw refused(
      cacheDir === undefined ? '--cache' : '--cache-dir',
      'The central cache is for the Hub only: use --local-dir.',
    );
}

/** `--cache-dir`, else where the Hub's own clients have their cache. Absolute. */
export function cachePlace({ cacheDir }: CacheOptions): Setting<string> {
  if (cacheDir !== undefined) return { value: pathOption('--cache-dir', cacheDir), origin: '--cache-dir' };
  const found = hubCache(hubEnvironment());
  if (found !== undefined) return { value: resolve(found.path), origin: found.origin };
  throw usage(
    'no home directory is known here, so it is not known where the cache is.',
    'Name it with --cache-dir DIR, or set HF_HUB_CACHE, HF_HOME or HOME.',
  );
}

/** Whether links may be used: huggingface_hub's HF_HUB_DISABLE_SYMLINKS turns them off. */
export function linksAllowed(variables: Variables): boolean {
  return !isTrue(variables['HF_HUB_DISABLE_SYMLINKS']);
}
