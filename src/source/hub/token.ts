import { FetchError } from '../../model/error.ts';
import { isTrue, tokenFile } from '../../system/hub-environment.ts';
import type { Credential } from '../source.ts';

export interface TokenPlaces {
  /** `--token`. */
  readonly flag: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home directory, for the token file that `hf auth login` writes; undefined if the system knows none. */
  readonly home: string | undefined;
  readonly readFile: (path: string) => string | undefined;
  readonly join: (...parts: string[]) => string;
}

/**
 * Finds the token in the order of the Hub's own clients: flag, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, token file. An empty
 * value is skipped. Throws ACCESS for a text that cannot be a token.
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

/** The name of a token in the INI file in which `hf auth login` keeps all tokens, one section for each. */
function storedName(text: string | undefined, value: string): string | undefined {
  let section: string | undefined;
  for (const line of text?.split(/\r?\n/) ?? []) {
    section = /^\[(.+)\]\s*$/.exec(line)?.[1] ?? section;
    if (/^hf_token\s*[=:]\s*(.*?)\s*$/.exec(line)?.[1] === value) return section;
  }
  return undefined;
}

/** Removes the line ends that editors and shells leave: a header must not have them. */
function clean(text: string | undefined): string | undefined {
  const value = text?.replace(/[\r\n]/g, '').trim();
  return value === undefined || value === '' ? undefined : value;
}

/** Refuses a text that a header cannot carry: a wrong file, or a failed paste. */
function sendable(token: Credential): Credential {
  if (/^[\x21-\x7e]+$/.test(token.value)) return token;
  throw new FetchError('ACCESS', `the token from ${token.origin} has characters that no token has`, {
    hint: 'Copy it again from the settings of your account, or remove it: public repositories need none.',
  });
}
