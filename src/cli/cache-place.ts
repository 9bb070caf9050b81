import { FetchError } from '../model/error.ts';
import type { Setting } from './settings.ts';

export interface CacheOptions {
  readonly cache?: boolean;
  readonly cacheDir?: string;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The central cache that a download was told to use; undefined if it goes to a directory. */
export function chosenCache(
  options: CacheOptions & { readonly localDir?: string },
  variables: Variables,
  home: string,
  join: (...parts: string[]) => string,
): Setting<string> | undefined {
  if (options.cache !== true && options.cacheDir === undefined) return undefined;
  if (options.localDir !== undefined) {
    const option = options.cacheDir === undefined ? '--cache' : '--cache-dir';
    throw new FetchError('USAGE', `--local-dir and ${option} name two places for the same files.`, {
      hint: 'Leave one of them out.',
    });
  }
  return cachePlace(options, variables, home, join);
}

/** The cache has no manifest of its own that these could go by. */
export function refuseWithCache(
  { lock, prune, shard }: { readonly lock?: string; readonly prune?: boolean; readonly shard?: string },
  offline: Setting<boolean>,
): void {
  const other =
    lock !== undefined
      ? '--lock'
      : prune === true
        ? '--prune'
        : shard !== undefined
          ? '--shard'
          : offline.value
            ? offline.origin
            : undefined;
  if (other === undefined) return;
  throw new FetchError('USAGE', `The central cache and ${other} do not go together.`, {
    hint: `Use --local-dir, or leave ${other} out: it goes by the records of a directory.`,
  });
}

/** `--cache-dir`, else where the Hub's own clients have their cache. */
export function cachePlace(
  { cacheDir }: CacheOptions,
  variables: Variables,
  home: string,
  join: (...parts: string[]) => string,
): Setting<string> {
  if (cacheDir !== undefined) {
    if (cacheDir !== '') return { value: cacheDir, origin: '--cache-dir' };
    throw new FetchError('USAGE', '--cache-dir needs the path of a folder.', { hint: 'See `fetch --help`.' });
  }
  const expand = (path: string) => (path === '~' || path.startsWith('~/') ? home + path.slice(1) : path);
  for (const name of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE']) {
    const value = variables[name];
    if (value) return { value: expand(value), origin: name };
  }
  const hfHome = variables['HF_HOME'];
  if (hfHome) return { value: join(expand(hfHome), 'hub'), origin: 'HF_HOME' };
  const xdg = variables['XDG_CACHE_HOME'];
  const cache = xdg ? expand(xdg) : join(home, '.cache');
  return { value: join(cache, 'huggingface', 'hub'), origin: xdg ? 'XDG_CACHE_HOME' : 'default' };
}

/** What `hf` obeys as well: no links, also where they work. */
export function linksAllowed(variables: Variables): boolean {
  return !/^(1|on|yes|true)$/i.test(variables['HF_HUB_DISABLE_SYMLINKS'] ?? '');
}
