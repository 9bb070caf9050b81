import { FetchError } from '../model/error.ts';
import { discard } from './body.ts';
import type { HttpRequest, HttpResponse } from './client.ts';
import { HINT_REDIRECT, redactUrl, redirectAddress, requestTarget } from './url.ts';

/** Redirects that are followed from one address. */
const MAX_REDIRECTS = 10;
/** Some gateways redirect back to the same address once. Beyond that it is a circle. */
const MAX_VISITS = 2;

/** The value of the Authorization header for a URL; undefined where none may be sent. */
export type Authorize = (url: URL) => string | undefined;

/** A header value that is sent to one origin and to no other. Plain data, so that it can cross threads. */
export interface OriginCredential {
  readonly origin: string;
  readonly value: string;
}

/** Authorizes requests to the credential's own origin; undefined authorizes nothing. */
export function authorizeOrigin(credential: OriginCredential | undefined): Authorize {
  return (url) => (credential?.origin === url.origin ? credential.value : undefined);
}

export interface RedirectOptions {
  /**
   * Sends one request and returns the head of its answer. The request has the address, byte for byte as the server
   * wrote it, and the headers for this hop; the caller adds method, Range and rate limits, and may send more than one.
   */
  readonly send: (request: HopRequest) => Promise<HttpResponse>;
  /** Headers of every hop. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked at every hop anew: a credential goes to its own origin only. */
  readonly authorize: Authorize;
  /** Changes the target of a redirect before it is judged and followed. */
  readonly rewrite?: (address: string) => string;
  /** Whether to follow a redirect to `next`; all are followed if this is left out. */
  readonly follows?: (response: HttpResponse, next: string) => boolean;
  /** Whether an endless chain of redirects may be gone at the next attempt. */
  readonly retryable: boolean;
  readonly signal: AbortSignal;
}

/** A request of one hop, with the address that it is for. */
export interface HopRequest extends HttpRequest {
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The end of a chain of redirects: an answer, or the target of the redirect that was not followed. */
export type RedirectResult =
  | { readonly kind: 'answer'; readonly address: string; readonly response: HttpResponse }
  | { readonly kind: 'redirect'; readonly address: string };

/**
 * The one redirect loop of the program. Follows at most 10 redirects, to no address more than twice. Every status from 300 to 399 is a
 * redirect. The body of an answer is left to the caller, those of redirects are discarded. Throws what `send` throws,
 * and NETWORK for a chain that does not end, a missing or unreadable target, another scheme, and a step from https to http.
 */
export async function followRedirects(
  start: string,
  options: RedirectOptions & { readonly follows?: never },
): Promise<RedirectResult & { readonly kind: 'answer' }>;
export async function followRedirects(start: string, options: RedirectOptions): Promise<RedirectResult>;
export async function followRedirects(start: string, options: RedirectOptions): Promise<RedirectResult> {
  const { send, authorize, signal, rewrite = (address) => address, follows = () => true } = options;
  const visits = new Map<string, number>();
  let address = start;
  for (let followed = 0; ; followed += 1) {
    const visit = (visits.get(address) ?? 0) + 1;
    if (followed > MAX_REDIRECTS || visit > MAX_VISITS) throw tooManyRedirects(start, options.retryable);
    visits.set(address, visit);
    const url = new URL(address);
    const authorization = authorize(url);
    const headers = { ...options.headers, ...(authorization === undefined ? {} : { authorization }) };
    const response = await send({ address, url, target: requestTarget(address), headers, signal });
    if (!isRedirect(response)) return { kind: 'answer', address, response };
    discard(response);
    const next = rewrite(redirectAddress(address, response.headers.location));
    if (!follows(response, next)) return { kind: 'redirect', address: next };
    address = next;
  }
}

/** Whether an answer sends the client to another address (RFC 9110 15.4). */
export function isRedirect({ status }: HttpResponse): boolean {
  return status >= 300 && status < 400;
}

function tooManyRedirects(start: string, retryable: boolean): FetchError {
  return new FetchError('NETWORK', `${redactUrl(start)} redirects in circles`, {
    retryable,
    hint: HINT_REDIRECT,
  });
}
