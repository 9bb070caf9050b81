import { discard } from '../../http/body.ts';
import type { HttpResponse } from '../../http/client.ts';
import { formatRange } from '../../http/range.ts';
import { redirectAddress, requestTarget, tooManyRedirects } from '../../http/url.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { HttpLocation } from '../location.ts';
import { resolveUrl, underEndpoint } from './endpoints.ts';
import { authorizationFor, type HubConnection, hubHeaders, refusal } from './hub-api.ts';
import type { Asked } from './hub-error.ts';

const BUCKET = 'resolvers';
const MAX_REDIRECTS = 10;
/** Refusals of a HEAD that say nothing about a GET: what is wrong may be the method. */
const HAVE_OTHER_CAUSES = new Set([408, 425, 429]);

/** What was learned about an endpoint, for one run. */
export interface EndpointTraits {
  /** The last file was served under its first URL, without a redirect: mirrors do. */
  servesDirectly: boolean;
  /** Files whose location was taken for granted because of that. When asked again, they are really asked for. */
  readonly assumed: Set<string>;
  /** Origins that do not answer HEAD as they answer GET. */
  readonly refusesHead: Set<string>;
  /** Other hubs that this one sends downloads to; each is told once. */
  readonly sendsOnTo: Set<string>;
}

export function unknownTraits(): EndpointTraits {
  return { servesDirectly: false, assumed: new Set(), refusesHead: new Set(), sendsOnTo: new Set() };
}

/** What is asked of the hub: one file of a revision. */
export interface FileRequest {
  readonly asked: Asked;
  readonly revision: Revision;
  readonly file: RemoteFile;
  /**
   * Sent along only where a host has refused all other ranges: the Hub signs the address for exactly the range
   * that the request carries.
   */
  readonly range?: ByteRange | undefined;
}

/**
 * Asks the hub where the bytes of a file are: one HEAD without a range, as the Hub's own client does. A redirect
 * that carries the file's metadata, or that leads to a storage, names the location itself and is not followed
 * here. A bare redirect to another address of the same kind is: a renamed repository, or a mirror that sends
 * its downloads to the Hub.
 */
export async function locateFile(
  hub: HubConnection,
  { asked, revision, file, range }: FileRequest,
  traits: EndpointTraits,
  signal: AbortSignal,
): Promise<HttpLocation> {
  const start = resolveUrl(hub.endpoint, revision.repo, revision.id, file.path).href;
  if (range === undefined && traits.servesDirectly && !traits.assumed.has(file.path)) {
    traits.assumed.add(file.path);
    return location(hub, start, range);
  }
  let address = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const response = await askForAddress(hub, address, { size: file.size, range, traits, signal });
    const { status, headers } = response;
    // An empty file has no first byte: only one that is there says so.
    if ((status >= 200 && status < 300) || (status === 416 && file.size === 0)) {
      discard(response);
      traits.servesDirectly = address === start;
      return location(hub, address, range);
    }
    if (status < 300 || status >= 400) throw await refusal(hub, asked, response, signal);
    discard(response);
    const next = underEndpoint(hub.endpoint, redirectAddress(address, headers.location));
    if (!isBareHop(response, next)) return location(hub, next, range);
    noteOtherHub(hub, traits, next);
    address = next;
  }
  throw tooManyRedirects(start, true);
}

/** Whether a redirect leads to another hub's answer instead of to the bytes. */
function isBareHop({ url, headers }: HttpResponse, next: string): boolean {
  const names = ['x-repo-commit', 'x-linked-etag', 'x-linked-size'];
  if (names.some((name) => headers[name] !== undefined)) return false;
  const { origin, pathname } = new URL(next);
  return origin === url.origin || pathname.includes('/resolve/');
}

interface AddressRequest {
  readonly size: number;
  readonly range: ByteRange | undefined;
  readonly traits: EndpointTraits;
  readonly signal: AbortSignal;
}

/** One hop: HEAD, and a GET that is cut off behind its head where HEAD is refused or makes no sense. */
async function askForAddress(
  hub: HubConnection,
  address: string,
  request: AddressRequest,
): Promise<HttpResponse> {
  const { refusesHead } = request.traits;
  const { origin } = new URL(address);
  if (refusesHead.has(origin)) {
    const response = await send(hub, address, 'GET', request);
    if (response.status >= 500) refusesHead.delete(origin);
    return response;
  }
  const response = await send(hub, address, 'HEAD', request);
  // Try the other method next time: some gateways break on HEAD.
  if (response.status >= 500) refusesHead.add(origin);
  if (!isDoubtful(response, request.size)) return response;
  discard(response);
  const again = await send(hub, address, 'GET', request);
  if (again.status < 400) refusesHead.add(origin);
  return again;
}

async function send(
  hub: HubConnection,
  address: string,
  method: 'GET' | 'HEAD',
  { range, signal, traits }: AddressRequest,
): Promise<HttpResponse> {
  const url = new URL(address);
  const bucket = bucketOf(hub, url);
  await hub.gate.pass(bucket, signal);
  const headers = { ...hubHeaders(hub, url), ...(range === undefined ? {} : { range: formatRange(range) }) };
  try {
    const response = await hub.http.get({ url, target: requestTarget(address), method, headers, signal });
    hub.gate.observe(bucket, response.status, response.headers, BUCKET);
    hub.onAnswer?.(response.headers);
    return response;
  } catch (error) {
    if (!signal.aborted) {
      if (method === 'HEAD') traits.refusesHead.add(url.origin);
      else traits.refusesHead.delete(url.origin);
    }
    throw error;
  }
}

/** Every hub counts for itself. */
function bucketOf(hub: HubConnection, url: URL): string {
  return url.origin === new URL(hub.endpoint).origin ? BUCKET : `${BUCKET} of ${url.host}`;
}

/** Whether the answer to a HEAD may be due to the method, so that a GET must tell. */
function isDoubtful({ status, headers }: HttpResponse, size: number): boolean {
  if (status === 501 || status < 200) return true;
  if (status >= 500 || HAVE_OTHER_CAUSES.has(status)) return false;
  if (status >= 400) return headers['x-error-code'] === undefined && !(status === 416 && size === 0);
  if (status >= 300) return headers.location === undefined;
  // A server that answers HEAD by itself may hide a redirect, or be a login page.
  const length = headers['content-length'];
  return length !== undefined && length !== String(size) && headers['content-encoding'] === undefined;
}

function noteOtherHub(hub: HubConnection, { sendsOnTo }: EndpointTraits, next: string): void {
  const { host, origin } = new URL(next);
  if (origin === new URL(hub.endpoint).origin || sendsOnTo.has(host)) return;
  sendsOnTo.add(host);
  const note = `${new URL(hub.endpoint).host} sends downloads on to ${host}: the files come from there`;
  hub.onNote?.(hub.token === undefined ? note : `${note}, without the token`);
}

function location(hub: HubConnection, address: string, range: ByteRange | undefined): HttpLocation {
  const url = new URL(address);
  const { authorization } = authorizationFor(hub, url);
  return {
    kind: 'http',
    url: address,
    authorization: authorization === undefined ? undefined : { origin: url.origin, value: authorization },
    expiresAt: expiry(url),
    ...(range === undefined ? { ranges: 'any' } : { ranges: 'exact', range }),
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
