import { discard, readStart } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { formatRange } from '../../http/range.ts';
import { REFUSAL_BYTES, refusalKind, refusalWords } from '../../http/refusal.ts';
import { redirectAddress, requestTarget } from '../../http/url.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { resolveUrl, underEndpoint } from '../../source/hub/endpoints.ts';
import { authorizeHub } from '../../source/hub/hub-api.ts';
import type { Credential } from '../../source/source.ts';
import type { Clock } from '../../system/clock.ts';
import type { Finding } from './check-runner.ts';

const MAX_HOPS = 5;
const MAX_NOTICE = 200;

/** What the checks of `/resolve/` take. */
export interface ResolveCheckContext {
  readonly http: HttpClient;
  readonly endpoint: string;
  readonly token: Credential | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The response of the hub, or of the hub it redirects to, to `/resolve/`. The body is not read. */
interface ResolveAnswer {
  readonly response: HttpResponse;
  /** Hosts that redirected the request to another hub. */
  readonly sentOnBy: readonly string[];
  readonly address: string;
  readonly elapsedMs: number;
}

/** Compares the responses to `HEAD` and `GET`, and reports notices of the hub. */
export async function checkResolve(
  context: ResolveCheckContext,
  revision: Revision,
  file: RemoteFile,
): Promise<Finding> {
  const head = await requestResolve(context, revision, file, { method: 'HEAD' });
  discard(head.response);
  const get = await requestResolve(context, revision, file, { method: 'GET' });
  discard(get.response);
  const [headStatus, getStatus] = [head.response.status, get.response.status];
  const told = `HEAD ${headStatus} in ${Math.round(head.elapsedMs)} ms, GET ${getStatus} in ${Math.round(get.elapsedMs)} ms`;
  const details = [sentOn(get.sentOnBy.length > 0 ? get : head), notice(get.response), notice(head.response)];
  const said = { details: [...new Set(details.filter((detail) => detail !== undefined))] };
  if (getStatus >= 400) {
    return {
      ...said,
      state: 'warning',
      message: told,
      hint: 'The hub does not say where this file is: see the check of the location.',
    };
  }
  if (headStatus < 400) return { ...said, message: told };
  return {
    ...said,
    state: 'warning',
    message: `${told}: HEAD is refused`,
    hint: 'Downloads then use GET, which costs one more request. A gateway on the way may be the reason.',
  };
}

/**
 * Whether an address that was requested with a range serves other ranges. Only this check needs to know: downloads request
 * addresses without a range, which works either way.
 */
export async function checkBinding(
  context: ResolveCheckContext,
  revision: Revision,
  file: RemoteFile,
): Promise<Finding> {
  const { http, signal } = context;
  const { response, address } = await requestResolve(context, revision, file, {
    method: 'GET',
    range: { start: 0, end: 1 },
  });
  const { status } = response;
  if (status === 200 || status === 206) {
    response.body.destroy();
    return { message: `${response.url.host} sends the bytes itself: there is no address to check` };
  }
  discard(response);
  if (status < 300 || status >= 400) {
    return {
      state: 'warning',
      message: `${response.url.host} answers a request with a range with ${status}`,
      hint: 'Downloads send no range to the hub, which avoids this.',
    };
  }
  const bound = underEndpoint(context.endpoint, redirectAddress(address, response.headers.location));
  const url = new URL(bound);
  const range = formatRange({ start: file.size - 1, end: file.size });
  const headers = { range, ...authorization(context, url) };
  const other = await http.get({ url, target: requestTarget(bound), headers, signal });
  if (other.status < 400) {
    other.body.destroy();
    return { message: `an address that was requested with a range serves others too (${other.status})` };
  }
  const body = await readStart(other, REFUSAL_BYTES, signal);
  const words = refusalWords(body);
  const refused = `${other.status}${words === '' ? '' : `: ${words}`}`;
  const kind = refusalKind(other.status, body);
  if (kind === 'no-ranges') {
    return { state: 'skipped', message: `${url.host} sends no ranges (${other.status}): nothing to compare` };
  }
  if (kind === 'bound') {
    return { message: `bound to the range of its request (${refused}); downloads send none` };
  }
  return {
    state: 'warning',
    message: `an address that was requested with a range does not serve another (${refused})`,
    hint: 'Downloads send no range to the hub. If they fail as well, attach a recording to your report: --record FILE.',
  };
}

async function requestResolve(
  context: ResolveCheckContext,
  revision: Revision,
  file: RemoteFile,
  { method, range }: { readonly method: 'GET' | 'HEAD'; readonly range?: ByteRange },
): Promise<ResolveAnswer> {
  const { http, endpoint, clock, signal } = context;
  let address = resolveUrl(endpoint, revision.repo, revision.id, file.path).href;
  const sentOnBy: string[] = [];
  const started = clock.monotonic();
  for (;;) {
    const url = new URL(address);
    const headers = {
      ...authorization(context, url),
      ...(range === undefined ? {} : { range: formatRange(range) }),
    };
    const response = await http.get({ url, target: requestTarget(address), method, headers, signal });
    const next = sentOnBy.length < MAX_HOPS ? otherHub(endpoint, response, address) : undefined;
    if (next === undefined) return { response, sentOnBy, address, elapsedMs: clock.monotonic() - started };
    discard(response);
    sentOnBy.push(url.host);
    address = next;
  }
}

function authorization(context: ResolveCheckContext, url: URL): Record<string, string> {
  const value = authorizeHub(context)(url);
  return value === undefined ? {} : { authorization: value };
}

/** A redirect without metadata to another `/resolve/`: a renamed repository, or a mirror. */
function otherHub(endpoint: string, { status, headers }: HttpResponse, address: string): string | undefined {
  if (status < 300 || status >= 400 || headers.location === undefined) return undefined;
  const metadata = ['x-repo-commit', 'x-linked-etag', 'x-linked-size'];
  if (metadata.some((name) => headers[name] !== undefined)) return undefined;
  const next = underEndpoint(endpoint, redirectAddress(address, headers.location));
  return new URL(next).pathname.includes('/resolve/') ? next : undefined;
}

function sentOn({ sentOnBy, response }: ResolveAnswer): string | undefined {
  return sentOnBy.length === 0 ? undefined : `sent on: ${[...sentOnBy, response.url.host].join(' → ')}`;
}

/** The notice that the Hub sends with slower service. */
function notice({ headers }: HttpResponse): string | undefined {
  const text = headers['x-hf-warning'];
  const said = (Array.isArray(text) ? text.join('; ') : text)?.trim().slice(0, MAX_NOTICE);
  return said === undefined || said === '' ? undefined : `X-HF-Warning: ${said}`;
}
