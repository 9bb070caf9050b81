import { FetchError } from '../model/error.ts';

/** What to do about a redirect that makes no sense. */
export const HINT_REDIRECT =
  'The server, or a proxy or login page on the way, answers nonsense. Check the endpoint.';

/** A URL as it may be printed: no query (signatures), no fragment, no user and password. */
export function redactUrl(url: string | URL): string {
  const parsed = typeof url === 'string' ? tryParse(url) : url;
  if (parsed === undefined) return '(unreadable URL)';
  const query = parsed.search === '' ? '' : '?…';
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}${query}`;
}

/**
 * Where a redirect leads. Relative targets are resolved against the URL that sent it, with their query.
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
      hint: 'This would send the download over an open line, so it was refused. Check the endpoint or the proxy.',
    });
  }
  // Credentials inside a redirect target are never ours.
  target.username = '';
  target.password = '';
  target.hash = '';
  return target;
}

/**
 * The same as `redirectTarget`, as text: path and query exactly as the server wrote them. The signature of an
 * address covers the order and the encoding of its query, and parsing would change some characters of it.
 */
export function redirectAddress(from: string, location: string | undefined): string {
  const target = redirectTarget(new URL(from), location);
  const written = /^(?:(?:https?:)?\/\/[^/?#\\]*)?([/?][^#]*)?(?:#.*)?$/i.exec(location?.trim() ?? '')?.[1];
  const isVerbatim = written !== undefined && PRINTABLE.test(written) && !NEEDS_PARSER.test(written);
  return isVerbatim ? target.origin + written : target.href;
}

/** What stands in the request line for an address: path and query, byte for byte where they may be sent so. */
export function requestTarget(address: string): string {
  const { origin, pathname, search } = new URL(address);
  const written = address.startsWith(`${origin}/`) ? address.slice(origin.length) : '';
  return PRINTABLE.test(written) && !written.includes('#') ? written : pathname + search;
}

/** What a request line can hold. */
const PRINTABLE = /^[\x21-\x7e]+$/;
/** A query alone, which belongs to the path that sent it; `\`, which means `/` to a parser; dot segments. */
const NEEDS_PARSER = /^[^/]|\\|^[^?]*\/\.{1,2}(?:[/?]|$)/;

function tryParse(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
