import { expandHome, expandVariables, type PathSurroundings } from './expand-path.ts';

/** The environment, as far as the directories of the Hub's own clients depend on it. */
export interface HubSurroundings extends PathSurroundings {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly join: (...parts: string[]) => string;
}

/** A directory, and the variable that names it, or `default`. */
export interface NamedDirectory {
  readonly path: string;
  readonly origin: string;
}

/** Whether a variable switches something on, as huggingface_hub reads its switches. Everything else is false. */
export function isTrue(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '');
}

/** The directory that a variable names, with `$NAME` and `~` replaced as huggingface_hub does; undefined if it is empty. */
export function directoryFrom(
  name: string,
  { variables, ...rest }: HubSurroundings,
): NamedDirectory | undefined {
  const written = variables[name];
  if (!written) return undefined;
  return { path: expandHome(expandVariables(written, variables), rest, name), origin: name };
}

/** `~/.cache`, or what XDG_CACHE_HOME says; undefined where no home is known. */
export function cacheHome(surroundings: HubSurroundings): NamedDirectory | undefined {
  const { home, join } = surroundings;
  const named = directoryFrom('XDG_CACHE_HOME', surroundings);
  if (named !== undefined || home === undefined) return named;
  return { path: join(home, '.cache'), origin: 'default' };
}

/** Where the Hub's own clients keep token and cache: HF_HOME, else `huggingface` in the directory of caches. */
export function hubHome(surroundings: HubSurroundings): NamedDirectory | undefined {
  const named = directoryFrom('HF_HOME', surroundings);
  if (named !== undefined) return named;
  const cache = cacheHome(surroundings);
  return cache && { ...cache, path: surroundings.join(cache.path, 'huggingface') };
}

/** The one address of the central cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, else `hub` in `hubHome`. */
export function hubCache(surroundings: HubSurroundings): NamedDirectory | undefined {
  const named =
    directoryFrom('HF_HUB_CACHE', surroundings) ?? directoryFrom('HUGGINGFACE_HUB_CACHE', surroundings);
  if (named !== undefined) return named;
  const home = hubHome(surroundings);
  return home && { ...home, path: surroundings.join(home.path, 'hub') };
}

/** The file of `hf auth login`: HF_TOKEN_PATH, else `token` in `hubHome`. */
export function tokenFile(surroundings: HubSurroundings): string | undefined {
  const named = directoryFrom('HF_TOKEN_PATH', surroundings);
  if (named !== undefined) return named.path;
  const home = hubHome(surroundings);
  return home && surroundings.join(home.path, 'token');
}
