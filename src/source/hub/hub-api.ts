import { discard, readText } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import type { RateLimitGate } from '../../http/rate-limit-gate.ts';
import { redactUrl, redirectTarget, tooManyRedirects } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import type { Clock } from '../../system/clock.ts';
import { type RetryContext, retrying } from '../../system/retry.ts';
import { type Asked, hubError } from './hub-error.ts';
import { nextPage } from './pagination.ts';
import type { Token } from './token.ts';

/** No honest answer of the API is larger: a page of 1,000 files has about 400 kB. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_REDIRECTS = 10;

/** What every request to the hub needs; retries of the API are its own, see `RetryContext`. */
export interface HubConnection {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: Token | undefined;
  readonly http: HttpClient;
  readonly gate: RateLimitGate;
  readonly clock: Clock;
  readonly retryContext: (what: string, signal: AbortSignal) => RetryContext;
  /** The files are fetched to be used: the Hub counts such requests as downloads. */
  readonly countsAsDownload?: boolean;
  /** Told of the headers of every answer of a hub. */
  readonly onAnswer?: (headers: HttpResponse['headers']) => void;
  /** Told what people should know, in one sentence. */
  readonly onNote?: (message: string) => void;
}

/** Headers of every request to a hub. Other hubs, to which a mirror leads, get no credential. */
export function hubHeaders(hub: HubConnection, url: URL): Record<string, string> {
  const counted: Record<string, string> =
    hub.countsAsDownload === true ? { 'x-hf-download-counter': '1' } : {};
  return { ...counted, ...authorizationFor(hub, url) };
}

/** The credential, for the endpoint's own origin and for no other. */
export function authorizationFor(hub: HubConnection, url: URL): Record<string, string> {
  return hub.token !== undefined && url.origin === new URL(hub.endpoint).origin
    ? { authorization: `Bearer ${hub.token.value}` }
    : {};
}

/** Whether an answer has the shape that the caller needs; anything else is asked for again. */
export type Shape = (json: unknown) => boolean;

/** GETs JSON from the hub's API, with retries. Redirects are followed; the credential stays on its own origin. */
export async function getJson(
  hub: HubConnection,
  asked: Asked,
  url: URL,
  shape: Shape,
  signal: AbortSignal,
): Promise<{ json: unknown; next: URL | undefined }> {
  return await retrying(
    async () => {
      const response = await getFromHub(hub, asked, url, 'api', signal);
      const text = await readText(response, MAX_JSON_BYTES, signal);
      return { json: parse(text, response, shape), next: nextPage(linkHeader(response), url, hub.endpoint) };
    },
    hub.retryContext(asked.what, signal),
  );
}

/** One attempt, with redirects by hand. Refusals become named errors. */
async function getFromHub(
  hub: HubConnection,
  asked: Asked,
  start: URL,
  bucket: string,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let url = start;
  for (let hops = 0; ; hops += 1) {
    await hub.gate.pass(bucket, signal);
    const headers = { accept: 'application/json', ...hubHeaders(hub, url) };
    const response = await hub.http.get({ url, headers, signal });
    // Another host has quotas of its own, and no say in ours.
    if (url.origin === start.origin) hub.gate.observe(bucket, response.status, response.headers);
    hub.onAnswer?.(response.headers);
    if (response.status >= 200 && response.status < 300) return response;
    if (response.status < 300 || response.status >= 400) throw await refusal(hub, asked, response, signal);
    discard(response);
    url = redirectTarget(url, response.headers.location);
    if (hops >= MAX_REDIRECTS) throw tooManyRedirects(start, false);
  }
}

/** Reads the short body of a refusal and names it. */
export async function refusal(
  hub: HubConnection,
  asked: Asked,
  response: HttpResponse,
  signal: AbortSignal,
): Promise<FetchError> {
  // The status says enough when the text cannot be read.
  const body = await readText(response, MAX_ERROR_BYTES, signal).catch(() => '');
  signal.throwIfAborted();
  return hubError(asked, { status: response.status, headers: response.headers, body }, hub.clock.now());
}

function parse(text: string, response: HttpResponse, shape: Shape): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw malformedResponse(
      response,
      text.trimStart().startsWith('<') ? 'a page of HTML' : 'broken JSON',
      cause,
    );
  }
  if (!shape(json)) throw malformedResponse(response, 'JSON of another kind');
  return json;
}

function linkHeader(response: HttpResponse): string | undefined {
  const { link } = response.headers as { link?: string | string[] };
  return Array.isArray(link) ? link.join(', ') : link;
}

function malformedResponse(response: HttpResponse, what: string, cause?: unknown): FetchError {
  return new FetchError('NETWORK', `${redactUrl(response.url)} answered with ${what}`, {
    retryable: true,
    cause,
    hint: 'A login page or a proxy may stand between here and the hub. Check the endpoint.',
  });
}

/**
 * The `fetch` that @huggingface/hub is given: the same client, retries, rate limits and token rule.
 * Links to next pages are checked and brought to the endpoint before the library sees them.
 */
export function hubFetch(
  hub: HubConnection,
  asked: Asked,
  shape: Shape,
  signal: AbortSignal,
  onPage: (next: URL | undefined) => void = () => {},
): typeof globalThis.fetch {
  return async (input) => {
    const url = new URL(typeof input === 'string' || input instanceof URL ? input : input.url);
    const { json, next } = await getJson(hub, asked, url, shape, signal);
    onPage(next);
    return answer(json, next);
  };
}

/**
 * As much of a `Response` as the library looks at. To name the real one makes Node load all of its own `fetch`,
 * which takes as long as two round trips to a hub that is near.
 */
function answer(json: unknown, next: URL | undefined): Response {
  const link = next === undefined ? null : `<${next.href}>; rel="next"`;
  const headers = { get: (name: string) => (name.toLowerCase() === 'link' ? link : null) };
  return { ok: true, status: 200, headers, json: async () => json } as unknown as Response;
}
