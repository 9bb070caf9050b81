import { FetchError } from '../model/error.ts';

/** The hint for a malformed redirect. */
export const HINT_REDIRECT =
  'The server, or a proxy or login page on the way, sends a malformed answer. Check the endpoint.';

/** The port of an http or https URL, also where it is the usual one. */
export function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}

/** A URL as it may be printed: no query (signatures), no fragment, no user and password. */
export function redactUrl(url: string | URL): string {
  const parsed = typeof url === 'string' ? tryParse(url) : url;
  if (parsed === undefined) return '(unreadable URL)';
  const query = parsed.search === '' ? '' : '?…';
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}${query}`;
}

/**
 * The target of a redirect. A relative one is resolved against the URL that sent it.
 * Throws NETWORK for a missing or unreadable target, another scheme, and a step from https to http.
 */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined ? undefined : tryParse(location, from);
  if (target === undefined) {
    throw new FetchError('NETWORK', `${redactUrl(from)} redirects without saying where`, {
      retryable: true,
      hint: HINT_REDIRECT,
    });
  }
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw new FetchError('NETWORK', `${redactUrl(from)} redirects to a ${target.protocol} address`, {
      hint: HINT_REDIRECT,
    });
  }
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    throw new FetchError('NETWORK', `${redactUrl(from)} redirects from https to http, to ${target.host}`, {
      hint: 'This would send the download unencrypted, so it was refused. Check the endpoint or the proxy.',
    });
  }
  // Never send credentials that a server wrote into its redirect.
  target.username = '';
  target.password = '';
  target.hash = '';
  return target;
}

/**
 * As `redirectTarget`, but as text with path and query exactly as the server wrote them: signatures cover the order and
 * the encoding of the query, and parsing would change some characters of it.
 */
export function redirectAddress(from: string, location: string | undefined): string {
  const target = redirectTarget(new URL(from), location);
  const written = /^(?:(?:https?:)?\/\/[^/?#\\]*)?([/?][^#]*)?(?:#.*)?$/i.exec(location?.trim() ?? '')?.[1];
  const isVerbatim = written !== undefined && PRINTABLE.test(written) && !NEEDS_PARSER.test(written);
  return isVerbatim ? target.origin + written : target.href;
}

/** Path and query of an address for the request line, byte for byte if a request line can hold them. */
export function requestTarget(address: string): string {
  const { origin, pathname, search } = new URL(address);
  const written = address.startsWith(`${origin}/`) ? address.slice(origin.length) : '';
  return PRINTABLE.test(written) && !written.includes('#') ? written : pathname + search;
}

/** Characters that a request line can hold. */
const PRINTABLE = /^[\x21-\x7e]+$/;
/** Forms that must be parsed: a query alone, which is relative to the path; `\`, which means `/`; dot segments. */
const NEEDS_PARSER = /^[^/]|\\|^[^?]*\/\.{1,2}(?:[/?]|$)/;

function tryParse(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/** Unix milliseconds from the query of a signed URL: CloudFront's `Expires`, or S3's date and lifetime. */
export function expiry(url: URL): number | undefined {
  const absolute = url.searchParams.get('Expires');
  if (absolute !== null && /^\d{9,11}$/.test(absolute)) return Number(absolute) * 1000;
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(url.searchParams.get('X-Amz-Date') ?? '');
  const lifetime = url.searchParams.get('X-Amz-Expires');
  if (date === null || lifetime === null || !/^\d{1,9}$/.test(lifetime)) return undefined;
  const [, year, month, day, hour, minute, second] = date;
  const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(signedAt) ? undefined : signedAt + Number(lifetime) * 1000;
}
