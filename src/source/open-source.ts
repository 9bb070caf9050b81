import { HttpClient, type HttpClientOptions } from '../http/client.ts';
import type { NetworkSettings } from '../http/network-settings.ts';
import { RateLimitGate } from '../http/rate-limit-gate.ts';
import { redactUrl } from '../http/url.ts';
import type { Emit } from '../model/event.ts';
import type { RepoRef } from '../model/repo.ts';
import type { Environment } from '../system/environment.ts';
import { endOfWait, type RetryContext, type RetryPolicy } from '../system/retry.ts';
import { HubSource } from './hub/hub-source.ts';
import { HubModelsSource } from './hub-models.ts';
import { type SourceKind, sourceKind } from './naming.ts';
import { offlineSource } from './offline-source.ts';
import type { RegistryNetwork } from './registry/connection.ts';
import type { RegistryLogin } from './registry/login.ts';
import type { RegistryKind } from './registry/name.ts';
import { RegistrySource } from './registry/registry-source.ts';
import type { Credential, Source } from './source.ts';

/** How to reach a source, and how hard to try. */
export interface SourceAccess {
  /** Base address of the Hub or mirror, without a slash at the end. */
  readonly endpoint: string;
  /** For the Hub. It goes to no registry. */
  readonly token: Credential | undefined;
  /** For registries: the first that is for the registry, or for any, is used. Asked when a registry is opened. */
  readonly logins?: (() => readonly RegistryLogin[]) | undefined;
  readonly retry: RetryPolicy;
  /** Milliseconds without a byte before a connection that carries bytes of files is given up. */
  readonly stallTimeoutMs: number;
  /** The same for requests to the source itself. */
  readonly hubTimeoutMs: number;
  /** No request is made: whatever needs an answer fails. */
  readonly offline: boolean;
  /** Proxies, authorities, allowed hosts; undefined for direct connections. */
  readonly network: NetworkSettings | undefined;
}

/** The client for requests to the source itself. The caller closes it. */
export function openHttp(
  { hubTimeoutMs, network }: SourceAccess,
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

/** What a source is opened with. */
interface SourceContext {
  readonly access: SourceAccess;
  readonly environment: Environment;
  readonly http: HttpClient;
  readonly emit: Emit;
  /** The files are fetched to be used: some sources count that. False if left out. */
  readonly countsAsDownload?: boolean;
}

interface SourceDefinition {
  readonly open: (context: SourceContext) => Source;
}

/** Every source. How each names its repositories is in `naming.ts`. */
const SOURCES = {
  hub: { open: openHub },
  ollama: { open: (context) => openRegistry('ollama', context) },
  oci: { open: (context) => openRegistry('oci', context) },
} satisfies Record<SourceKind, SourceDefinition>;

/** The source of a repository; in an offline run one that fails every request. Throws USAGE for an unknown source. */
export function openSource({ source }: RepoRef, context: SourceContext): Source {
  const kind = sourceKind(source);
  return context.access.offline ? offlineSource(kind) : SOURCES[kind].open(context);
}

/** GGUF models of a repository of the Hub, `hub`, as Ollama pulls them. `registry` is the same repository at the Hub's `/v2`. */
export function openHubModels(
  { hub, registry }: { readonly hub: RepoRef; readonly registry: RepoRef },
  context: SourceContext,
): Source {
  if (context.access.offline) return openSource(registry, context);
  // The token is for the endpoint, and this registry is the endpoint.
  const { token } = context.access;
  return new HubModelsSource({
    registry: openRegistry('ollama', context, { logins: [], token }),
    hub: openHub(context),
    repo: hub,
  });
}

function openHub({ access, environment, http, emit, countsAsDownload = false }: SourceContext): Source {
  const { endpoint, token } = access;
  const { clock } = environment;
  const gate = new RateLimitGate(clock, (bucket, delayMs) => {
    const seconds = Math.ceil(delayMs / 1000);
    const until = new Date(clock.now() + delayMs).toISOString().slice(11, 19);
    emit({
      type: 'note',
      message: `the hub's quota of requests (${bucket}) is used up: waiting ${seconds} s, until ${until} UTC`,
    });
  });
  return new HubSource({
    endpoint,
    token,
    http,
    gate,
    clock,
    retryContext: retryContextOf(access, environment, emit),
    countsAsDownload,
    onNote: (message) => emit({ type: 'note', message }),
    onWarning: (warning) => emit({ type: 'hub-warning', ...warning }),
  });
}

function openRegistry(
  kind: RegistryKind,
  { access, environment, http, emit }: SourceContext,
  credentials: Pick<RegistryNetwork, 'logins' | 'token'> = { logins: access.logins?.() ?? [] },
): RegistrySource {
  const { clock } = environment;
  const retryContext = retryContextOf(access, environment, emit);
  return new RegistrySource(kind, { http, clock, ...credentials, retryContext });
}

/** Settings of the retry loop for the requests of a source: every wait emits an event. */
function retryContextOf({ retry }: SourceAccess, { clock, random }: Environment, emit: Emit) {
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
