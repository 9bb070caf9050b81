import { readText } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { type Authorize, authorizeOrigin, followRedirects } from '../../http/follow-redirects.ts';
import { nextPage } from '../../http/next-page.ts';
import type { RateLimitGate } from '../../http/rate-limit-gate.ts';
import { redactUrl } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import type { Clock } from '../../system/clock.ts';
import { type RetryContext, retrying } from '../../system/retry.ts';
import type { Credential } from '../source.ts';
import { hubError, type RequestSubject } from './hub-error.ts';

/** No honest answer of the API is larger: a page of 1,000 files has about 400 kB. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** The quota that the Hub counts requests to its API in. */
const BUCKET = 'api';

/** What requests to the hub need. */
export interface HubConnection {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: Credential | undefined;
  readonly http: HttpClient;
  readonly gate: RateLimitGate;
  readonly clock: Clock;
  readonly retryContext: (what: string, signal: AbortSignal) => RetryContext;
  /** The files are fetched to be used: the Hub counts such requests as downloads. */
  readonly countsAsDownload?: boolean;
  /** Called with each warning that a hub sends in a header. */
  readonly onWarning?: (warning: ServerWarning) => void;
  /** Called with one sentence that users should know. */
  readonly onNote?: (message: string) => void;
}

/** Marks the requests that the Hub counts as a download. */
export function countingHeaders(hub: HubConnection): Record<string, string> {
  return hub.countsAsDownload === true ? { 'x-hf-download-counter': '1' } : {};
}

/** The credential, for the endpoint's own origin only: other hubs, to which a mirror leads, get none. */
export function authorizeHub({ token, endpoint }: Pick<HubConnection, 'token' | 'endpoint'>): Authorize {
  return authorizeOrigin(token && { origin: new URL(endpoint).origin, value: `Bearer ${token.value}` });
}

/** What a hub tells its users in a header. */
interface ServerWarning {
  /** Empty if the header names none. */
  readonly topic: string;
  readonly message: string;
}

/** Passes on the `X-HF-Warning` of an answer. */
export function tellWarnings({ onWarning }: HubConnection, { headers }: HttpResponse): void {
  for (const warning of serverWarnings(headers['x-hf-warning'])) onWarning?.(warning);
}

/** `TOPIC; MESSAGE`, as the Hub's own client reads it; a topic may be missing. */
export function* serverWarnings(header: string | string[] | undefined): Generator<ServerWarning> {
  for (const line of [header ?? []].flat()) {
    const separator = line.indexOf(';');
    const topic = line.slice(0, Math.max(0, separator)).trim().slice(0, 100);
    const words = line.slice(separator + 1).trim();
    const message = words.replace(/^warning:\s*/i, '').slice(0, 300);
    if (message !== '') yield { topic, message };
  }
}

/** Whether an answer has the shape that the caller needs; otherwise the request is retried. */
export type Shape = (json: unknown) => boolean;

interface JsonRequest {
  readonly subject: RequestSubject;
  readonly url: URL;
  readonly shape: Shape;
}

/** GETs JSON from the hub's API, with retries. Redirects are followed; the credential stays on its own origin. */
export async function getJson(
  hub: HubConnection,
  { subject, url, shape }: JsonRequest,
  signal: AbortSignal,
): Promise<{ json: unknown; next: URL | undefined }> {
  return await retrying(
    async () => {
      const response = await getFromHub(hub, subject, url, signal);
      const text = await readText(response, MAX_JSON_BYTES, signal);
      return { json: parse(text, response, shape), next: nextPage(linkHeader(response), url, hub.endpoint) };
    },
    hub.retryContext(subject.what, signal),
  );
}

/** One attempt, with redirects. Refusals become named errors. */
export async function getFromHub(
  hub: HubConnection,
  subject: RequestSubject,
  start: URL,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { response } = await followRedirects(start.href, {
    send: async (hop) => {
      await hub.gate.pass(BUCKET, signal);
      const answered = await hub.http.get(hop);
      // Each host has its own quotas: another one must not close this gate.
      if (hop.url.origin === start.origin) hub.gate.observe(BUCKET, answered.status, answered.headers);
      tellWarnings(hub, answered);
      return answered;
    },
    headers: { accept: 'application/json', ...countingHeaders(hub) },
    authorize: authorizeHub(hub),
    retryable: false,
    signal,
  });
  if (response.status >= 200 && response.status < 300) return response;
  throw await errorOf(hub, subject, response, signal);
}

/** The error that a refusal means, by its head and its short body. */
export async function errorOf(
  hub: HubConnection,
  subject: RequestSubject,
  response: HttpResponse,
  signal: AbortSignal,
): Promise<FetchError> {
  // If the body cannot be read, the status has to do.
  const body = await readText(response, MAX_ERROR_BYTES, signal).catch(() => '');
  signal.throwIfAborted();
  return hubError(subject, { status: response.status, headers: response.headers, body }, hub.clock.now());
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
 * Links to next pages are checked and moved to the endpoint before the package sees them.
 */
export function hubFetch(
  hub: HubConnection,
  {
    subject,
    shape,
    onPage = () => {},
  }: Omit<JsonRequest, 'url'> & { readonly onPage?: (next: URL | undefined) => void },
  signal: AbortSignal,
): typeof globalThis.fetch {
  return async (input) => {
    const url = new URL(typeof input === 'string' || input instanceof URL ? input : input.url);
    const { json, next } = await getJson(hub, { subject, url, shape }, signal);
    onPage(next);
    return answer(json, next);
  };
}

/**
 * The part of a `Response` that the package reads. Naming the real class makes Node load all of its own `fetch`,
 * which takes as long as two round trips to a hub that is near.
 */
function answer(json: unknown, next: URL | undefined): Response {
  const link = next === undefined ? null : `<${next.href}>; rel="next"`;
  const headers = { get: (name: string) => (name.toLowerCase() === 'link' ? link : null) };
  return { ok: true, status: 200, headers, json: async () => json } as unknown as Response;
}
