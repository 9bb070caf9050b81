import { readText } from '../../../http/body.ts';
import type { HttpResponse } from '../../../http/client.ts';
import { FetchError } from '../../../model/error.ts';
import { isRecord } from '../../../model/json.ts';
import { type Revision, repoPath } from '../../../model/repo.ts';
import { unlessAborted } from '../../../system/on-abort.ts';
import { xetTokenUrl } from '../endpoints.ts';
import { getFromHub, type HubConnection } from '../hub-api.ts';
import type { RequestSubject } from '../hub-error.ts';

const MAX_BYTES = 64 * 1024;
/** A token that ends within this time is not used any more; of a short life, no more than this part is given away. */
const MARGIN_MS = 30_000;
const MARGIN_PART = 10;

/** Access to the content store for the files of one revision. */
export interface XetToken {
  /** Where the content store is, without a slash at the end. */
  readonly casUrl: string;
  /** Secret: sent to the origin of `casUrl` and nowhere else. */
  readonly value: string;
  /** By our clock, in Unix milliseconds. */
  readonly renewAt: number;
}

/** One request for a token, and how many callers wait for it. */
interface TokenRequest {
  readonly token: Promise<XetToken>;
  readonly abort: AbortController;
  waiting: number;
}

/**
 * Gets tokens for the content store from the hub, one for each revision. Callers that need one at the same time share one
 * request; it is aborted only when all of them are. The hub's own token goes to the hub only.
 */
export class XetTokenClient {
  readonly #hub: HubConnection;
  readonly #tokens = new Map<string, XetToken>();
  readonly #asking = new Map<string, TokenRequest>();

  constructor(hub: HubConnection) {
    this.#hub = hub;
  }

  /** Makes one attempt, unless a token is there that does not end soon. */
  async get(revision: Revision, subject: RequestSubject, signal: AbortSignal): Promise<XetToken> {
    const key = `${repoPath(revision.repo)} ${revision.id}`;
    const known = this.#tokens.get(key);
    if (known !== undefined && this.#hub.clock.now() < known.renewAt) return known;
    signal.throwIfAborted();
    const asking = this.#asking.get(key) ?? this.#begin(key, revision, subject);
    asking.waiting += 1;
    try {
      return await unlessAborted(asking.token, signal);
    } finally {
      asking.waiting -= 1;
      if (asking.waiting === 0 && this.#asking.get(key) === asking) {
        this.#asking.delete(key);
        asking.abort.abort();
      }
    }
  }

  #begin(key: string, revision: Revision, subject: RequestSubject): TokenRequest {
    const abort = new AbortController();
    const token = this.#ask(revision, subject, abort.signal);
    const asking = { token, abort, waiting: 0 };
    this.#asking.set(key, asking);
    const settled = () => {
      if (this.#asking.get(key) === asking) this.#asking.delete(key);
    };
    token.then((one) => {
      this.#tokens.set(key, one);
      settled();
    }, settled);
    return asking;
  }

  /** The store does not take this token any more. */
  refused(revision: Revision, token: XetToken): void {
    const key = `${repoPath(revision.repo)} ${revision.id}`;
    if (this.#tokens.get(key) === token) this.#tokens.delete(key);
  }

  async #ask(revision: Revision, subject: RequestSubject, signal: AbortSignal): Promise<XetToken> {
    const { endpoint, clock } = this.#hub;
    const url = xetTokenUrl(endpoint, revision.repo, revision.id);
    const asked = { ...subject, what: 'the token for the content store' };
    const response = await getFromHub(this.#hub, asked, url, signal);
    return parseToken(await readText(response, MAX_BYTES, signal), response, clock.now());
  }
}

/** The token, from the JSON or, where that lacks it, from the headers. Throws NETWORK. */
function parseToken(text: string, { url, headers }: HttpResponse, now: number): XetToken {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const fields = isRecord(json) ? json : {};
  const value = fields['accessToken'] ?? headers['x-xet-access-token'];
  const casUrl = fields['casUrl'] ?? headers['x-xet-cas-url'];
  const ends = Number(fields['exp'] ?? headers['x-xet-token-expiration']) * 1000;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw malformed(url, 'no token');
  if (typeof casUrl !== 'string' || !URL.canParse(casUrl)) throw malformed(url, 'no address of the store');
  const store = new URL(casUrl);
  const mayBePlain = url.protocol === 'http:' && store.protocol === 'http:';
  if (store.protocol !== 'https:' && !mayBePlain)
    throw malformed(url, 'an address of the store over an open line');
  if (store.username !== '' || store.password !== '') throw malformed(url, 'an address with a password');
  return {
    value,
    casUrl: store.origin + store.pathname.replace(/\/+$/, ''),
    renewAt: renewalTime(ends, now),
  };
}

/** A token that looks ended when it is issued comes from a hub whose clock differs: the store tells when it ends. */
function renewalTime(ends: number, now: number): number {
  const lifetime = ends - now;
  if (!Number.isFinite(lifetime) || lifetime <= 0) return Number.POSITIVE_INFINITY;
  return ends - Math.min(MARGIN_MS, lifetime / MARGIN_PART);
}

function malformed(url: URL, what: string): FetchError {
  return new FetchError('NETWORK', `${url.host} answered with ${what} for the content store`, {
    retryable: true,
    hint: 'Use --protocol http: the files come without the content store.',
  });
}
