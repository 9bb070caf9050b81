import { BLOCKING, type ErrorResponse, isPage, mayPass } from '../../http/refusal.ts';
import { serverDelay } from '../../http/retry-after.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import { accessError } from './login.ts';

/** The subject of a request to a registry, for the text of its error. */
export interface RegistrySubject {
  /** In a few words, for lines about retries. */
  readonly what: string;
  /** The repository as a user would type it: `ollama://mixtral`. */
  readonly name: string;
  /** Host of the registry. */
  readonly host: string;
  /** A tag or a digest. */
  readonly reference?: string | undefined;
  /** The layer, if the request is about one. */
  readonly layer?: string | undefined;
  /** Origin of the login; undefined if there is none. */
  readonly login: string | undefined;
}

const MISSING = /\b(?:MANIFEST_UNKNOWN|NAME_UNKNOWN|BLOB_UNKNOWN|NAME_INVALID|TAG_INVALID)\b/;

/** The error for a refusal by the registry itself. */
export function registryError(
  subject: RegistrySubject,
  { status, headers, body }: ErrorResponse,
  nowMs: number,
): FetchError {
  const { name, host, reference, layer, login } = subject;
  const said = saidBy(body);
  const words = said === '' ? '' : `: ${said}`;
  if (BLOCKING.has(status) && isPage(body)) {
    return new FetchError('NETWORK', `${host} answered ${status} with a page, not as a registry does`, {
      status,
      hint: 'A filter or a login page may stand in the way: try another network, or check the host.',
    });
  }
  if (status === 401 || status === 403) {
    const who = login === undefined ? '' : ` for the login from ${login}`;
    return accessError(`${host} refuses ${name}${who} (${status})${words}`, login, status);
  }
  const isBadTag = status === 400 && reference !== undefined;
  if (status === 404 || status === 410 || MISSING.test(body) || isBadTag) {
    if (layer !== undefined) return layerMissing(subject, status);
    const what =
      reference === undefined
        ? ''
        : ` with ${reference.includes(':') ? 'the digest' : 'the tag'} ${reference}`;
    return new FetchError('NOT_FOUND', `${host} has no ${name}${what}${isBadTag ? words : ''}`, {
      status,
      hint:
        reference === undefined
          ? 'Check the name. A model that is private may need a login: --token USER:PASSWORD.'
          : `See its tags with \`fetch branches ${name}\`.`,
    });
  }
  if (status === 412) {
    return new FetchError('NETWORK', `${host} refuses ${name}${words}`, {
      status,
      hint: 'The registry wants another client for this model: see its page, and try another tag.',
    });
  }
  return new FetchError('NETWORK', `${host} answered ${status} for ${layer ?? name}${words}`, {
    status,
    retryable: mayPass(status),
    retryAfterMs: status === 429 || status >= 500 ? serverDelay(headers, nowMs) : undefined,
    hint:
      status === 429
        ? 'The registry limits requests. Wait some minutes, or use a login (--token USER:PASSWORD), which may be allowed more.'
        : `Try again later, or check that ${host} is a registry.`,
  });
}

export function layerMissing({ host, layer = '', name }: RegistrySubject, status: number): FetchError {
  return new FetchError(
    'NOT_FOUND',
    `${host} does not have the layer ${layer} of ${name}, which its manifest names`,
    {
      status,
      hint: 'The model was pushed in part, or is being replaced: try again later, or tell its publisher.',
    },
  );
}

/** Codes and messages of the protocol's error document, or a short text. */
function saidBy(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    if (!isRecord(json)) return '';
    const { errors, error } = json;
    if (typeof error === 'string') return error.slice(0, 300);
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (!isRecord(first)) return '';
    return [first['code'], first['message']]
      .filter((part) => typeof part === 'string')
      .join(': ')
      .slice(0, 300);
  } catch {
    const text = body.trim();
    return text.startsWith('<') || text.length > 300 ? '' : text;
  }
}
