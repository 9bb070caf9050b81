import { HttpClient, type HttpClientOptions } from '../http/client.ts';
import type { NetworkSettings } from '../http/network-settings.ts';
import { RateLimitGate } from '../http/rate-limit-gate.ts';
import { redactUrl } from '../http/url.ts';
import { FetchError } from '../model/error.ts';
import type { RepoRef } from '../model/repo.ts';
import { endOfWait, type RetryContext, type RetryPolicy } from '../system/retry.ts';
import type { RunContext } from '../system/run-context.ts';
import { partialUrl, resolveUrl } from './hub/endpoints.ts';
import type { HubConnection } from './hub/hub-api.ts';
import { HubSource } from './hub/hub-source.ts';
import { HubModelsSource } from './hub-models.ts';
import { type SourceKind, sourceKind } from './naming.ts';
import { createPeer } from './peer/peer.ts';
import { PeerSource } from './peer/peer-source.ts';
import type { RegistryNetwork } from './registry/connection.ts';
import type { RegistryLogin } from './registry/login.ts';
import type { RegistryKind } from './registry/name.ts';
import { RegistrySource } from './registry/registry-source.ts';
import type { Credential, Peer, Source } from './source.ts';

/** How to reach a source, and how often to retry. */
export interface SourceAccess {
  /** Base address of the Hub or mirror, without a slash at the end. */
  readonly endpoint: string;
  /** Token of the Hub. Never sent to a registry. */
  readonly token: Credential | undefined;
  /**
   * Logins for registries: the first one for this registry, or for any registry, is used. Called when a registry is
   * opened.
   */
  readonly logins?: (() => readonly RegistryLogin[]) | undefined;
  readonly retry: RetryPolicy;
  /** Milliseconds without a byte after which a request to the source itself is given up. */
  readonly hubTimeoutMs: number;
  /** Make no request: whatever needs one fails. */
  readonly offline: boolean;
  /** Proxies, certificate authorities, allowed hosts; undefined for direct connections. */
  readonly network: NetworkSettings | undefined;
}

/** The client for requests to the source itself. The caller disposes of it. */
export function openHttp(
  { hubTimeoutMs, network }: SourceAccess,
  { environment, emit }: Pick<RunContext, 'environment' | 'emit'>,
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

/** What a source is opened with. */
interface SourceContext {
  readonly access: SourceAccess;
  readonly run: RunContext;
  readonly http: HttpClient;
  /** Whether the files are downloaded to be used: some sources count downloads. False if left out. */
  readonly countsAsDownload?: boolean;
  /** Ask for the names of files with the revision (`namesOf`), where that costs no request. False if left out. */
  readonly withNames?: boolean;
}

interface SourceDefinition {
  readonly open: (context: SourceContext) => Source;
}

/** Every source. `naming.ts` has the syntax of their names. */
const SOURCES = {
  hub: { open: openHub },
  ollama: { open: (context) => openRegistry('ollama', context) },
  oci: { open: (context) => openRegistry('oci', context) },
} satisfies Record<SourceKind, SourceDefinition>;

/**
 * Opens the source of a repository; in an offline run one that rejects every request. Throws USAGE for an unknown
 * source.
 */
export function openSource({ source }: RepoRef, context: SourceContext): Source {
  const kind = sourceKind(source);
  return context.access.offline ? offlineSource(kind) : SOURCES[kind].open(context);
}

/**
 * Opens the GGUF models of a repository of the Hub, `hub`, in the form in which Ollama pulls them. `registry` is the
 * same repository at the Hub's `/v2`.
 */
export function openHubModels(
  { hub, registry }: { readonly hub: RepoRef; readonly registry: RepoRef },
  context: SourceContext,
): Source {
  if (context.access.offline) return openSource(registry, context);
  // The token is for the endpoint, and this registry is that endpoint.
  const { token } = context.access;
  return new HubModelsSource({
    registry: openRegistry('ollama', context, { logins: [], token }),
    hub: openHub(context),
    repo: hub,
  });
}

/** Opens a peer at an address without a slash at the end. */
export function openPeer(address: string, http: HttpClient): Peer {
  return createPeer({ address, http, urlOf: resolveUrl, statusUrlOf: partialUrl });
}

/** Peers in the place of the Hub. The caller sees to it that no other host is contacted. */
export function openPeerSource(addresses: readonly string[], { access, run, http }: SourceContext): Source {
  // The next peer is asked soon instead.
  const retry = { ...access.retry, tries: Math.min(2, access.retry.tries), unreachedTries: 1 };
  const peers = addresses.map((endpoint) => ({
    peer: openPeer(endpoint, http),
    hub: openHub({ access: { ...access, endpoint, token: undefined, retry }, run, http }),
  }));
  return new PeerSource(peers, (message) => run.emit({ type: 'note', message }));
}

/** The source of an offline run: every request fails with an error that says so. */
function offlineSource(kind: SourceKind): Source {
  const refuse = (): never => {
    throw new FetchError('NETWORK', 'this needs a request to the source, and this run is offline', {
      hint: 'Leave --offline out, and see that HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE are not set.',
    });
  };
  return {
    kind,
    traits: { branches: true, scan: false, read: true, reconstruct: false },
    resolve: async () => refuse(),
    list: () => refuse(),
    locate: async () => refuse(),
    branches: async () => refuse(),
    read: async () => refuse(),
  };
}

function openHub(context: SourceContext): Source {
  const { access, run, http, countsAsDownload = false, withNames = false } = context;
  const { endpoint, token } = access;
  const { emit } = run;
  const { clock } = run.environment;
  const gate = new RateLimitGate(clock, (bucket, delayMs) => {
    const seconds = Math.ceil(delayMs / 1000);
    const until = new Date(clock.now() + delayMs).toISOString().slice(11, 19);
    emit({
      type: 'note',
      message: `the hub's quota of requests (${bucket}) is used up: waiting ${seconds} s, until ${until} UTC`,
    });
  });
  const connection: HubConnection = {
    endpoint,
    token,
    http,
    gate,
    clock,
    retryContext: retryContextOf(access, run),
    countsAsDownload,
    onNote: (message) => emit({ type: 'note', message }),
    onWarning: (warning) => emit({ type: 'hub-warning', ...warning }),
  };
  return new HubSource(connection, { withNames });
}

function openRegistry(
  kind: RegistryKind,
  { access, run, http }: SourceContext,
  credentials: Pick<RegistryNetwork, 'logins' | 'token'> = { logins: access.logins?.() ?? [] },
): RegistrySource {
  const { clock } = run.environment;
  const retryContext = retryContextOf(access, run);
  return new RegistrySource(kind, { http, clock, ...credentials, retryContext });
}

/** Settings of the retry loop for the requests of a source: every wait emits an event. */
function retryContextOf({ retry }: SourceAccess, { environment, emit }: RunContext) {
  const { clock, random } = environment;
  return (what: string, signal: AbortSignal): RetryContext => ({
    policy: retry,
    clock,
    random,
    signal,
    onRetry: ({ code, message }, attempt, delayMs) => {
      emit({ type: 'retrying', what, attempt, delayMs, until: endOfWait(clock, delayMs), code, message });
    },
  });
}
