import { HttpClient, type HttpClientOptions } from '../http/client.ts';
import type { NetworkSettings } from '../http/network-settings.ts';
import { RateLimitGate } from '../http/rate-limit-gate.ts';
import { redactUrl } from '../http/url.ts';
import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import { HubSource } from '../source/hub/hub-source.ts';
import { serverWarnings } from '../source/hub/server-warnings.ts';
import type { Token } from '../source/hub/token.ts';
import type { Source } from '../source/source.ts';
import type { Environment } from '../system/environment.ts';
import { endOfWait, type RetryContext, type RetryPolicy } from '../system/retry.ts';

/** How to reach a hub, and how hard to try. */
export interface HubAccess {
  /** Base address of the hub, without a slash at the end. */
  readonly endpoint: string;
  readonly token: Token | undefined;
  readonly retry: RetryPolicy;
  /** Milliseconds without a byte before a connection that carries bytes of files is given up. */
  readonly stallTimeoutMs: number;
  /** The same for requests to the hub itself. */
  readonly hubTimeoutMs: number;
  /** Nobody may be asked: whatever needs an answer fails. */
  readonly offline: boolean;
  /** Proxies, authorities, allowed hosts; undefined for the plain way. */
  readonly network: NetworkSettings | undefined;
}

/** The client for requests to the hub itself. Close it at the end. */
export function openHttp(
  { hubTimeoutMs, network }: HubAccess,
  environment: Environment,
  emit: Emit,
  more: Pick<HttpClientOptions, 'dialer' | 'observe'> = {},
): HttpClient {
  const { clock, userAgent } = environment;
  return new HttpClient({
    ...more,
    userAgent,
    stallTimeoutMs: hubTimeoutMs,
    clock,
    network,
    onContact: (contact) => emit({ type: 'contact', ...contact }),
    trace: (sent, status, elapsedMs) => {
      const range = sent.headers?.['range'] === undefined ? '' : ` ${sent.headers['range']}`;
      const answer = status ?? 'failed';
      emit({
        type: 'trace',
        message: `${sent.method ?? 'GET'} ${redactUrl(sent.url)}${range}: ${answer}, ${Math.round(elapsedMs)} ms`,
      });
    },
  });
}

export function openHub(
  access: HubAccess,
  environment: Environment,
  http: HttpClient,
  emit: Emit,
  { countsAsDownload = false }: { readonly countsAsDownload?: boolean } = {},
): Source {
  if (access.offline) return OFFLINE;
  const { clock, random } = environment;
  const gate = new RateLimitGate(clock, (bucket, delayMs) => {
    const seconds = Math.ceil(delayMs / 1000);
    const until = new Date(clock.now() + delayMs).toISOString().slice(11, 19);
    emit({
      type: 'note',
      message: `the hub's quota of requests (${bucket}) is used up: waiting ${seconds} s, until ${until} UTC`,
    });
  });
  const retryContext = (what: string, signal: AbortSignal): RetryContext => ({
    policy: access.retry,
    clock,
    random,
    signal,
    onRetry: ({ code, message }, attempt, delayMs) => {
      emit({ type: 'retrying', what, attempt, delayMs, until: endOfWait(clock, delayMs), code, message });
    },
  });
  const { endpoint, token } = access;
  return new HubSource({
    endpoint,
    token,
    http,
    gate,
    clock,
    retryContext,
    countsAsDownload,
    onNote: (message) => emit({ type: 'note', message }),
    onAnswer: (headers) => {
      for (const warning of serverWarnings(headers['x-hf-warning']))
        emit({ type: 'hub-warning', ...warning });
    },
  });
}

/** Has nothing and asks nobody. */
const OFFLINE: Source = {
  name: 'offline',
  resolve: async () => refuse(),
  list: () => refuse(),
  locate: async () => refuse(),
  branches: async () => refuse(),
  read: async () => refuse(),
  scan: async () => undefined,
};

function refuse(): never {
  throw new FetchError('NETWORK', 'the hub would have to be asked, and this run is offline', {
    hint: 'Leave --offline out, and see that HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE are not set.',
  });
}

/** The whole listing of a revision, telling as it grows. */
export async function collectListing(
  source: Source,
  revision: Revision,
  emit: Emit,
  signal: AbortSignal,
): Promise<readonly RemoteFile[]> {
  const listing: RemoteFile[] = [];
  for await (const file of source.list(revision, signal)) {
    listing.push(file);
    if (listing.length % 1000 === 0) emit({ type: 'listing', files: listing.length });
  }
  emit({ type: 'listing', files: listing.length });
  return listing;
}
