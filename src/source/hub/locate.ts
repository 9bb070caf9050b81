import { formatRange } from '../../http/range.ts';
import { discard } from '../../http/request.ts';
import { redirectsInCircles, redirectTarget } from '../../http/url.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Location } from '../source.ts';
import { resolveUrl } from './endpoints.ts';
import { authorizationFor, type HubConnection, refusal } from './hub-api.ts';
import type { Asked } from './hub-error.ts';

const BUCKET = 'resolvers';
const MAX_REDIRECTS = 10;

/** What was learned about an endpoint, for one run. */
export interface EndpointHabits {
  /** The last file was served under its first URL, without a redirect: mirrors do. */
  servesDirectly: boolean;
  /** Files whose place was taken for granted because of that. When asked again, they are really asked for. */
  readonly assumed: Set<string>;
}

/**
 * Asks the hub where the bytes of a file are: one request, more only after a rename. A redirect that
 * carries the file's metadata, or that leads to another host, names the place itself and is not followed
 * here; a bare redirect on the endpoint's origin is a renamed repository and is.
 */
export async function locateFile(
  hub: HubConnection,
  asked: Asked,
  revision: Revision,
  file: RemoteFile,
  habits: EndpointHabits,
  signal: AbortSignal,
): Promise<Location> {
  const start = resolveUrl(hub.endpoint, revision.repo, revision.commit, file.path);
  if (habits.servesDirectly && !habits.assumed.has(file.path)) {
    habits.assumed.add(file.path);
    return location(hub, start);
  }
  let url = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    await hub.gate.pass(BUCKET, signal);
    const headers = { ...authorizationFor(hub, url), range: formatRange({ start: 0, end: 1 }) };
    const response = await hub.http.get({ url, headers, signal });
    hub.gate.observe(BUCKET, response.status, response.headers);
    const { status } = response;
    // An empty file has no first byte: only one that is there says so.
    if (status === 200 || status === 206 || (status === 416 && file.size === 0)) {
      // A server that ignores the range would send the whole file here.
      discard(response);
      habits.servesDirectly = url === start;
      return location(hub, url);
    }
    if (status < 300 || status >= 400) throw await refusal(hub, asked, response, signal);
    discard(response);
    url = redirectTarget(url, response.headers.location);
    const metadata = response.headers['x-repo-commit'] ?? response.headers['x-linked-etag'];
    if (metadata !== undefined || url.origin !== start.origin) return location(hub, url);
  }
  throw redirectsInCircles(start, true);
}

function location(hub: HubConnection, url: URL): Location {
  const { authorization } = authorizationFor(hub, url);
  return {
    url: url.href,
    authorization: authorization === undefined ? undefined : { origin: url.origin, value: authorization },
    expiresAt: expiry(url),
  };
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
