import { FetchError } from '../../model/error.ts';

/**
 * The next page of a listing, always on the endpoint's own origin: mirrors leak links to the Hub itself,
 * and the credential goes with the request. Undefined on the last page.
 */
export function nextPage(header: string | undefined, current: URL, endpoint: string): URL | undefined {
  if (header === undefined) return undefined;
  for (const match of header.matchAll(/<([^<>]{1,8192})>([^<>]{0,1000})/g)) {
    if (!/;\s*rel\s*=\s*"?next"?/i.test(match[2]!)) continue;
    let next: URL;
    try {
      next = new URL(match[1]!, current);
    } catch {
      throw new FetchError('NETWORK', 'the hub names a next page that is no URL');
    }
    if (next.origin === current.origin) return next;
    // An endpoint may have a path of its own, in front of the Hub's.
    return new URL(`${endpoint}${next.pathname}${next.search}`);
  }
  return undefined;
}
