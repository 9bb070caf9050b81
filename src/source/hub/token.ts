/** A credential and where it was found, so that a message about a bad one can name the place. */
export interface Token {
  readonly value: string;
  readonly origin: string;
}

export interface TokenPlaces {
  /** `--token`. */
  readonly flag: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home directory, for the token file that `hf auth login` writes. */
  readonly home: string;
  readonly readFile: (path: string) => string | undefined;
  readonly join: (...parts: string[]) => string;
}

/** The Hub's order: the flag, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the token file. Empty means none. */
export function findToken(places: TokenPlaces): Token | undefined {
  const flag = clean(places.flag);
  if (flag !== undefined) return { value: flag, origin: '--token' };
  const { environment } = places;
  if (isTrue(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const value = clean(environment[name]);
    if (value !== undefined) return { value, origin: name };
  }
  const path = tokenPath(places);
  const value = clean(places.readFile(path));
  return value === undefined ? undefined : { value, origin: path };
}

function tokenPath({ environment, home, join }: TokenPlaces): string {
  const named = environment['HF_TOKEN_PATH'];
  if (named) return expandHome(named, home);
  const cache = environment['XDG_CACHE_HOME'] || join(home, '.cache');
  const root = environment['HF_HOME'] || join(cache, 'huggingface');
  return join(expandHome(root, home), 'token');
}

function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? home + path.slice(1) : path;
}

/** Editors and shells leave line ends in tokens; a header must not have them. */
function clean(text: string | undefined): string | undefined {
  const value = text?.replace(/[\r\n]/g, '').trim();
  return value === undefined || value === '' ? undefined : value;
}

function isTrue(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '');
}
