import type { NetworkSettings } from '../http/network-settings.ts';
import { FetchError, usage } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import { DEFAULT_ENDPOINT } from '../source/hub/endpoints.ts';
import { HUB_HOST, HUB_HOSTS } from '../source/hub/web-address.ts';
import type { SourceAccess } from '../source/open-source.ts';
import type { RegistryLogin } from '../source/registry/login.ts';
import type { Credential } from '../source/source.ts';
import type { Environment } from '../system/environment.ts';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from '../system/retry.ts';
import type {
  Protocol,
  TransferSettings,
  TransportChoice,
  WorkerCounts,
} from '../transfer/transfer-settings.ts';

const SEE_DOCS = 'See docs/library.md.';

/** Defaults, also those of the command line. */
export const DEFAULTS: Pick<SourceAccess, 'endpoint'> &
  Pick<TransferSettings, 'connections' | 'retry' | 'stallTimeoutMs'> = {
  endpoint: DEFAULT_ENDPOINT,
  /** Upper bound: the engine measures how many are of use. */
  connections: 64,
  retry: DEFAULT_RETRY_POLICY,
  stallTimeoutMs: 30_000,
};

/** Servers refuse clients with more connections. */
export const MAX_CONNECTIONS: number = 256;

/** Of each kind. */
export const MAX_WORKERS = 64;

/** How a run is observed and stopped. */
export interface RunOptions {
  /** Aborts the run and keeps what was downloaded. The run rejects with ABORTED; its cause is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with every event of the run, while it happens. What it throws ends the run. */
  readonly onEvent?: Emit | undefined;
  /** Clock, random numbers and process identity; `createEnvironment()` if left out. */
  readonly environment?: Environment | undefined;
}

/** How to reach a hub, and how often to retry. Environment variables are not read: see `readVariables`. */
export interface HubOptions {
  /** Address of the hub; https://huggingface.co if left out. */
  readonly endpoint?: string | undefined;
  /** Sent to the origin of the endpoint and nowhere else. With an `origin`, messages say where a bad one came from. */
  readonly token?: string | Credential | undefined;
  /** Logins for registries, called when a registry is opened; none if left out. */
  readonly logins?: (() => readonly RegistryLogin[]) | undefined;
  /** Fields left out have their defaults: 8 tries without any progress, half a second before the second one, doubling. */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Milliseconds without a byte before a connection is given up; 30,000 if left out. */
  readonly stallTimeoutMs?: number | undefined;
  /** The same for requests to the hub itself; as `stallTimeoutMs` if left out. */
  readonly hubTimeoutMs?: number | undefined;
  /** Make no request: whatever needs one fails. */
  readonly offline?: boolean | undefined;
  /** Proxies, further certificate authorities, the only hosts that may be contacted. */
  readonly network?: NetworkSettings | undefined;
}

/** How bytes of files are transferred. */
export interface TransferOptions extends HubOptions {
  /**
   * Maximum of connections that carry file bytes, over all files, 1 to 256; 64 if left out. The number in use adapts
   * below it.
   */
  readonly connections?: number | undefined;
  /** Bytes per second over all connections together; no limit if left out. */
  readonly bytesPerSecond?: number | undefined;
  /**
   * How files that the hub keeps in Xet come: as ranges over plain HTTP, or as chunks from the content store; `auto` if left
   * out: HTTP, and chunks where they bring clearly fewer bytes, or where HTTP fails. With `xet` it is the other way round.
   */
  readonly protocol?: Protocol | undefined;
  /** For diagnosing a network; `auto` if left out. */
  readonly transport?: TransportChoice | undefined;
  /** Hash workers and I/O workers, for measurements; they follow from the processors if left out. */
  readonly workers?: WorkerCounts | undefined;
}

/** The options of a run with defaults filled in: how to reach the source, and how to transfer bytes of files. */
export interface RunSettings extends SourceAccess {
  readonly transfer: TransferSettings;
}

/** Fills in defaults. Throws USAGE for an invalid value. */
export function hubAccess(options: HubOptions): SourceAccess {
  const { endpoint, token, logins, retry, offline = false, network } = options;
  return {
    endpoint: endpoint === undefined ? DEFAULTS.endpoint : readEndpoint('endpoint', endpoint),
    token: typeof token === 'string' ? credentialOf(token) : token,
    logins,
    retry: retryPolicy(retry),
    hubTimeoutMs: positive('hubTimeoutMs', options.hubTimeoutMs) ?? stallTimeout(options),
    offline,
    network,
  };
}

/** Fills in defaults. An explicit number of tries applies to every failure. */
function retryPolicy(retry: Partial<RetryPolicy> = {}): RetryPolicy {
  const unreached = retry.tries === undefined ? {} : { unreachedTries: retry.tries };
  return { ...DEFAULTS.retry, ...unreached, ...retry };
}

/** Fills in defaults. Throws USAGE for a value that makes no sense. */
export function runSettings(options: TransferOptions): RunSettings {
  const { connections = DEFAULTS.connections, transport = 'auto', protocol = 'auto' } = options;
  if (!Number.isInteger(connections) || connections < 1 || connections > MAX_CONNECTIONS) {
    throw usage(`connections is a whole number from 1 to ${MAX_CONNECTIONS}, not ${connections}.`, SEE_DOCS);
  }
  const bytesPerSecond = positive('bytesPerSecond', options.bytesPerSecond);
  const access = hubAccess(options);
  const { retry, network } = access;
  const stallTimeoutMs = stallTimeout(options);
  const workers = workerCounts(options);
  const transfer = {
    connections,
    bytesPerSecond,
    stallTimeoutMs,
    retry,
    transport,
    protocol,
    workers,
    network,
  };
  return { ...access, transfer };
}

function workerCounts({ workers }: TransferOptions): WorkerCounts {
  for (const [name, count] of Object.entries(workers ?? {})) {
    if (count === undefined || (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS)) continue;
    throw usage(`workers.${name} is a whole number from 1 to ${MAX_WORKERS}, not ${count}.`, SEE_DOCS);
  }
  return { hash: workers?.hash, io: workers?.io };
}

function stallTimeout({ stallTimeoutMs }: HubOptions): number {
  return positive('stallTimeoutMs', stallTimeoutMs) ?? DEFAULTS.stallTimeoutMs;
}

/** An address of a hub, without a slash at the end. `origin` is the option or variable that has it. Throws USAGE. */
export function readEndpoint(origin: string, written: string): string {
  return readAddress(origin, written, 'https://HOST');
}

/** An address of a peer, without a slash at the end. Throws USAGE. */
export function readPeer(written: string): string {
  return readAddress('--from', written, 'http://HOST:8090');
}

function readAddress(origin: string, written: string, form: string): string {
  const text = written.trim();
  const hint = `Write it as ${form}.`;
  if (!URL.canParse(text)) throw usage(`${origin}: "${text}" is not an address.`, hint);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw usage(`${origin}: an endpoint begins with https:// or http://.`, hint);
  }
  if (url.username !== '' || url.password !== '') {
    throw usage(
      `${origin}: an endpoint has no user and password in it.`,
      'Use --token for the credential; in a program, the option `token`.',
    );
  }
  // Hosts of the Hub that only redirect: the token, which is sent to one origin, would not reach the Hub.
  if (url.protocol === 'https:' && url.port === '' && HUB_HOSTS.has(url.hostname)) url.hostname = HUB_HOST;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** Undefined for an empty text, as for an empty variable. */
function credentialOf(value: string): Credential | undefined {
  if (value === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return { value, origin: 'the option token' };
  throw new FetchError('ACCESS', 'the option token has characters that no token has', {
    hint: 'Copy it again from the settings of your account, or leave it out: public repositories need none.',
  });
}

function positive(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return value;
  throw usage(`${name} is a number greater than 0, not ${value}.`, SEE_DOCS);
}
