import { FetchError } from '../../model/error.ts';
import { isTrue, tokenFile } from '../../system/hub-environment.ts';
import type { Credential } from '../source.ts';

export interface TokenPlaces {
  /** `--token`. */
  readonly flag: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home directory, for the token file that `hf auth login` writes; undefined where the system knows none. */
  readonly home: string | undefined;
  readonly readFile: (path: string) => string | undefined;
  readonly join: (...parts: string[]) => string;
}

/**
 * The Hub's order: the flag, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the token file. Empty means none.
 * Throws ACCESS for one that cannot be a token.
 */
export function findToken(places: TokenPlaces): Credential | undefined {
  const flag = clean(places.flag);
  if (flag !== undefined) return sendable({ value: flag, origin: '--token' });
  const { environment } = places;
  if (isTrue(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const value = clean(environment[name]);
    if (value !== undefined) return sendable({ value, origin: name });
  }
  const { home, join } = places;
  const path = tokenFile({ home, join, variables: environment });
  if (path === undefined) return undefined;
  const value = clean(places.readFile(path));
  if (value === undefined) return undefined;
  const name = storedName(places.readFile(path.replace(/[^/\\]+$/, 'stored_tokens')), value);
  return sendable({ value, origin: name === undefined ? path : `${path}, stored as "${name}"` });
}

/** The name under which `hf auth login` keeps a token: a section of an INI file for each, beside the one in use. */
function storedName(text: string | undefined, value: string): string | undefined {
  let section: string | undefined;
  for (const line of text?.split(/\r?\n/) ?? []) {
    section = /^\[(.+)\]\s*$/.exec(line)?.[1] ?? section;
    if (/^hf_token\s*[=:]\s*(.*?)\s*$/.exec(line)?.[1] === value) return section;
  }
  return undefined;
}

/** Editors and shells leave line ends in tokens; a header must not have them. */
function clean(text: string | undefined): string | undefined {
  const value = text?.replace(/[\r\n]/g, '').trim();
  return value === undefined || value === '' ? undefined : value;
}

/** What no header can carry is no token: a wrong file, or a paste that went wrong. */
function sendable(token: Credential): Credential {
  if (/^[\x21-\x7e]+$/.test(token.value)) return token;
  throw new FetchError('ACCESS', `the token from ${token.origin} has characters that no token has`, {
    hint: 'Copy it again from the settings of your account, or remove it: public repositories need none.',
  });
}
