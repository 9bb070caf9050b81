import { FetchError, type RefusalKind } from '../model/error.ts';
import { serverDelay } from './retry-after.ts';

/** Bytes of a refusal that are read: enough for the sentence with the reason. */
export const REFUSAL_BYTES = 300;
const MAX_WORDS = 200;
/** Longer runs without a blank are signatures, policies or identifiers. */
const SECRET_LOOKING = /[\w+/=~%-]{48,}/g;

/** Statuses by which filters and login pages refuse. */
export const BLOCKING: ReadonlySet<number> = new Set([401, 403, 407, 451]);

/** Besides those of 500 and more, statuses that may pass. */
const PASSING: ReadonlySet<number> = new Set([408, 416, 425, 429]);

/** A refusal: its head, and the first bytes of its body. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: string;
}

/** Whether the same request to a hub or a registry may succeed later. */
export function mayPass(status: number): boolean {
  return status >= 500 || PASSING.has(status);
}

/** Whether a body is a page of HTML: hubs and storages do not refuse with one, filters and login pages do. */
export function isPage(body: string): boolean {
  return /^\s*<(?:!doctype\s+html|html|head|body)\b/i.test(body);
}

/** The cause of a refusal of file bytes, by its status and the first bytes of its body. */
export function refusalKind(status: number, body: string): RefusalKind {
  if (status >= 400 && status < 500) {
    // The address is signed for the one range that its resolve request asked for.
    if (/invalid range/i.test(body)) return 'bound';
    if (isPage(body) && BLOCKING.has(status)) return 'page';
    if (/signature|key.?pair|invalidaccesskey/i.test(body)) return 'signature';
  }
  if (status === 403 && /expired|access.?denied/i.test(body)) return 'expired';
  return status === 400 || status === 416 || status === 501 ? 'no-ranges' : 'other';
}

/**
 * The reason in a refusal, for people: code and message of XML, without markup, control characters, addresses or
 * anything that looks like a signature. Empty if there is none.
 */
export function refusalWords(body: string): string {
  const text = body.slice(0, REFUSAL_BYTES);
  const named = ['Code', 'Message'].map((tag) => new RegExp(`<${tag}>([^<]*)`, 'i').exec(text)?.[1] ?? '');
  const plain = named.some((part) => part !== '') ? named.filter((part) => part !== '').join(': ') : text;
  return plain
    .replace(/<(style|script)\b.*?(?:<\/\1>|$)/gis, ' ')
    .replace(/<[^>]*>?/g, ' ')
    .replace(/https?:\/\/\S*/gi, '(address)')
    .replace(/[\w-]*(?:signature|policy|key-pair-id|token|credential)[\w-]*=\S+/gi, '(signature)')
    .replace(SECRET_LOOKING, '…')
    .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_WORDS);
}

const HINTS: Partial<Record<RefusalKind, string>> = {
  page: 'This looks like the page of a filter, a firewall or a login, not like a storage: try another network, or ask its operator to allow the host.',
  signature:
    'The address is signed with a key that the storage does not accept. Only its operator can mend that: try again later.',
  bound: 'The address is signed for another range of bytes than the one that was asked for.',
};

/** A refusal by a host of file bytes. At most `REFUSAL_BYTES` of its body are used. */
export interface StorageRefusal extends ErrorResponse {
  readonly host: string;
}

/**
 * The error for a host's refusal to send the bytes of a file (NETWORK). Any status may concern the address rather than
 * the file, so all are retryable with a new address.
 */
export function storageError(
  { host, status, headers, body }: StorageRefusal,
  path: string,
  nowMs: number,
): FetchError {
  const kind = refusalKind(status, body);
  const words = refusalWords(body);
  return new FetchError(
    'NETWORK',
    `${host} answered ${status} for ${path}${words === '' ? '' : `: ${words}`}`,
    {
      status,
      refusal: kind,
      retryable: true,
      retryAfterMs: status === 429 || status === 503 ? serverDelay(headers, nowMs) : undefined,
      hint: HINTS[kind] ?? `${host} serves the file's bytes. If it goes on like this, try again later.`,
    },
  );
}
