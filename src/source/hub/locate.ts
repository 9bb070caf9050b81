import { discard } from '../../http/body.ts';
import type { HttpResponse } from '../../http/client.ts';
import { followRedirects, type HopRequest } from '../../http/follow-redirects.ts';
import { formatRange } from '../../http/range.ts';
import { expiry } from '../../http/url.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { HttpLocation } from '../location.ts';
import { resolveUrl, underEndpoint } from './endpoints.ts';
import { authorizeHub, countingHeaders, errorOf, type HubConnection, tellWarnings } from './hub-api.ts';
import type { RequestSubject } from './hub-error.ts';

const BUCKET = 'resolvers';
/** Refusals of a HEAD that a GET would get too: they are not due to the method. */
const HAVE_OTHER_CAUSES = new Set([408, 425, 429]);

/** What this run has learned about an endpoint. */
export interface EndpointTraits {
  /** The last file was served under its first URL, without a redirect, as some mirrors do. */
  servesDirectly: boolean;
  /** Files that were located without a request because of that. A second time they are requested. */
  readonly assumed: Set<string>;
  /** Origins that answer HEAD differently from GET. */
  readonly refusesHead: Set<string>;
  /** Hosts of other hubs that this one redirects downloads to; a note is emitted once for each. */
  readonly sendsOnTo: Set<string>;
}

export function unknownTraits(): EndpointTraits {
  return { servesDirectly: false, assumed: new Set(), refusesHead: new Set(), sendsOnTo: new Set() };
}

/** A request for the address of one file of a revision. */
export interface FileRequest {
  readonly subject: RequestSubject;
  readonly revision: Revision;
  readonly file: RemoteFile;
  /**
   * Sent only if a host has refused all other ranges: the Hub signs the address for exactly the range of the request
   * (field facts 1.1).
   */
  readonly range?: ByteRange | undefined;
}

/**
 * Asks the hub where the bytes of a file are: one HEAD without a range, as the Hub's own client does. A redirect
 * that carries the file's metadata, or that leads to a storage, names the location itself and is not followed
 * here. A redirect without metadata to another address of the same kind is followed: a renamed repository, or a mirror
 * that sends its downloads to the Hub.
 */
export async function locateFile(
  hub: HubConnection,
  { subject, revision, file, range }: FileRequest,
  traits: EndpointTraits,
  signal: AbortSignal,
): Promise<HttpLocation> {
  const start = resolveUrl(hub.endpoint, revision.repo, revision.id, file.path).href;
  if (range === undefined && traits.servesDirectly && !traits.assumed.has(file.path)) {
    traits.assumed.add(file.path);
    return location(hub, start, range);
  }
  const question = { size: file.size, range, traits };
  const result = await followRedirects(start, {
    send: (hop) => {
      noteOtherHub(hub, traits, hop.url);
      return askForAddress(hub, hop, question);
    },
    headers: countingHeaders(hub),
    authorize: authorizeHub(hub),
    rewrite: (next) => underEndpoint(hub.endpoint, next),
    follows: isBareHop,
    retryable: true,
    signal,
  });
  if (result.kind === 'redirect') return location(hub, result.address, range);
  const { response, address } = result;
  const { status } = response;
  // An empty file has no first byte: 416 is how a server says that it is there.
  const isThere = (status >= 200 && status < 300) || (status === 416 && file.size === 0);
  if (!isThere) throw await errorOf(hub, subject, response, signal);
  discard(response);
  traits.servesDirectly = address === start;
  return location(hub, address, range);
}

/** Whether a redirect leads to another hub's answer instead of to the bytes. */
function isBareHop({ url, headers }: HttpResponse, next: string): boolean {
  const names = ['x-repo-commit', 'x-linked-etag', 'x-linked-size'];
  if (names.some((name) => headers[name] !== undefined)) return false;
  const { origin, pathname } = new URL(next);
  return origin === url.origin || pathname.includes('/resolve/');
}

interface Question {
  readonly size: number;
  readonly range: ByteRange | undefined;
  readonly traits: EndpointTraits;
}

/** One hop: HEAD, then a GET that is closed after its head if HEAD was refused or its answer is doubtful. */
async function askForAddress(hub: HubConnection, hop: HopRequest, question: Question): Promise<HttpResponse> {
  const { refusesHead } = question.traits;
  const { origin } = hop.url;
  if (refusesHead.has(origin)) {
    const response = await send(hub, hop, 'GET', question);
    if (response.status >= 500) refusesHead.delete(origin);
    return response;
  }
  const response = await send(hub, hop, 'HEAD', question);
  // Try the other method next time: some gateways break on HEAD.
  if (response.status >= 500) refusesHead.add(origin);
  if (!isDoubtful(response, question.size)) return response;
  discard(response);
  const again = await send(hub, hop, 'GET', question);
  if (again.status < 400) refusesHead.add(origin);
  return again;
}

async function send(
  hub: HubConnection,
  hop: HopRequest,
  method: 'GET' | 'HEAD',
  { range, traits }: Question,
): Promise<HttpResponse> {
  const { url, signal } = hop;
  const bucket = bucketOf(hub, url);
  await hub.gate.pass(bucket, signal);
  const headers = { ...hop.headers, ...(range === undefined ? {} : { range: formatRange(range) }) };
  try {
    const response = await hub.http.get({ ...hop, method, headers });
    hub.gate.observe(bucket, response.status, response.headers, BUCKET);
    tellWarnings(hub, response);
    return response;
  } catch (error) {
    if (!signal.aborted) {
      if (method === 'HEAD') traits.refusesHead.add(url.origin);
      else traits.refusesHead.delete(url.origin);
    }
    throw error;
  }
}

/** Each host counts requests by itself. */
function bucketOf(hub: HubConnection, url: URL): string {
  return url.origin === new URL(hub.endpoint).origin ? BUCKET : `${BUCKET} of ${url.host}`;
}

/** Whether the answer to a HEAD may be due to the method, so that a GET is needed. */
function isDoubtful({ status, headers }: HttpResponse, size: number): boolean {
  if (status === 501 || status < 200) return true;
  if (status >= 500 || HAVE_OTHER_CAUSES.has(status)) return false;
  if (status >= 400) return headers['x-error-code'] === undefined && !(status === 416 && size === 0);
  if (status >= 300) return headers.location === undefined;
  // The length is not the file's: a gateway answered HEAD itself and hid a redirect, or it is a login page.
  const length = headers['content-length'];
  return (
    !Number.isNaN(size) &&
    length !== undefined &&
    length !== String(size) &&
    headers['content-encoding'] === undefined
  );
}

function noteOtherHub(hub: HubConnection, { sendsOnTo }: EndpointTraits, { host, origin }: URL): void {
  if (origin === new URL(hub.endpoint).origin || sendsOnTo.has(host)) return;
  sendsOnTo.add(host);
  const note = `${new URL(hub.endpoint).host} sends downloads on to ${host}: the files come from there`;
  hub.onNote?.(hub.token === undefined ? note : `${note}, without the token`);
}

function location(hub: HubConnection, address: string, range: ByteRange | undefined): HttpLocation {
  const url = new URL(address);
  const authorization = authorizeHub(hub)(url);
  return {
    kind: 'http',
    url: address,
    authorization: authorization === undefined ? undefined : { origin: url.origin, value: authorization },
    expiresAt: expiry(url),
    ...(range === undefined ? { ranges: 'any' } : { ranges: 'exact', range }),
  };
}
