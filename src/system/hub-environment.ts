import { expandHome, expandVariables, type PathEnvironment } from './expand-path.ts';

/** The environment, as far as the directories of the Hub's own clients depend on it. */
export interface HubEnvironment extends PathEnvironment {
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
  { variables, ...rest }: HubEnvironment,
): NamedDirectory | undefined {
  const written = variables[name];
  if (!written) return undefined;
  return { path: expandHome(expandVariables(written, variables), rest, name), origin: name };
}

/** `~/.cache`, or what XDG_CACHE_HOME says; undefined where no home is known. */
export function cacheHome(hubEnvironment: HubEnvironment): NamedDirectory | undefined {
  const { home, join } = hubEnvironment;
  const named = directoryFrom('XDG_CACHE_HOME', hubEnvironment);
  if (named !== undefined || home === undefined) return named;
  return { path: join(home, '.cache'), origin: 'default' };
}

/** Where the Hub's own clients keep token and cache: HF_HOME, else `huggingface` in the directory of caches. */
export function hubHome(hubEnvironment: HubEnvironment): NamedDirectory | undefined {
  const named = directoryFrom('HF_HOME', hubEnvironment);
  if (named !== undefined) return named;
  const cache = cacheHome(hubEnvironment);
  return cache && { ...cache, path: hubEnvironment.join(cache.path, 'huggingface') };
}

/** The one address of the central cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, else `hub` in `hubHome`. */
export function hubCache(hubEnvironment: HubEnvironment): NamedDirectory | undefined {
  const named =
    directoryFrom('HF_HUB_CACHE', hubEnvironment) ?? directoryFrom('HUGGINGFACE_HUB_CACHE', hubEnvironment);
  if (named !== undefined) return named;
  const home = hubHome(hubEnvironment);
  return home && { ...home, path: hubEnvironment.join(home.path, 'hub') };
}

/** The file of `hf auth login`: HF_TOKEN_PATH, else `token` in `hubHome`. */
export function tokenFile(hubEnvironment: HubEnvironment): string | undefined {
  const named = directoryFrom('HF_TOKEN_PATH', hubEnvironment);
  if (named !== undefined) return named.path;
  const home = hubHome(hubEnvironment);
  return home && hubEnvironment.join(home.path, 'token');
}
