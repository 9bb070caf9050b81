import { FetchError } from '../model/error.ts';

/**
 * The next page of a listing, always on the endpoint's own origin: mirrors pass on links to the Hub itself, and the
 * credential goes with the request. Undefined on the last page.
 */
export function nextPage(header: string | undefined, current: URL, endpoint: string): URL | undefined {
  if (header === undefined) return undefined;
  for (const match of header.matchAll(/<([^<>]{1,8192})>([^<>]{0,1000})/g)) {
    if (!/;\s*rel\s*=\s*"?next"?/i.test(match[2]!)) continue;
    const next = URL.canParse(match[1]!, current.href) ? new URL(match[1]!, current) : undefined;
    // The path of another scheme need not begin with a slash: appended to the origin it would name another host.
    if (next === undefined || !/^https?:$/.test(next.protocol)) {
      throw new FetchError('NETWORK', `${current.host} names a next page of its listing that is not a URL`, {
        hint: 'The endpoint sends malformed answers. Try another one, or later.',
      });
    }
    const base = new URL(endpoint);
    // An endpoint may have a path prefix that the server behind its proxy does not know.
    const prefix = base.pathname === '/' ? '' : base.pathname;
    const path = next.pathname.startsWith(`${prefix}/`) ? next.pathname : prefix + next.pathname;
    return new URL(base.origin + path + next.search);
  }
  return undefined;
}
