import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readText } from '../../http/body.ts';
import type { HttpClient } from '../../http/client.ts';
import { networkError } from '../../http/network-error.ts';
import { UNCHECKED_TLS } from '../../http/network-settings.ts';
import { isLoopback, plainHost, proxyFor, proxyName } from '../../http/proxy.ts';
import { parseRateLimit } from '../../http/retry-after.ts';
import { redirectTarget } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import { formatCount } from '../../model/format.ts';
import { authorizeHub } from '../../source/hub/hub-api.ts';
import type { SourceAccess } from '../../source/open-source.ts';
import { loginFor } from '../../source/registry/login.ts';
import type { Credential } from '../../source/source.ts';
import type { Environment } from '../../system/environment.ts';
import type { Finding } from './check-runner.ts';
import { lookUpAddresses } from './look-up.ts';

const DAY_MS = 86_400_000;
/** Warn that many days before a certificate expires: servers renew theirs weeks before. */
const CERTIFICATE_DAYS = 7;
/** Tolerance in milliseconds: the Date header has whole seconds, and the response takes time. */
const SKEW_MS = 60_000;
/** A download of one file takes fewer requests. */
const MIN_REQUESTS_LEFT = 20;
const MAX_ANSWER_BYTES = 64 * 1024;

/** One response of the hub, from which several checks read. */
export interface Probe {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly elapsedMs: number;
  /** When the response came by our clock, in Unix milliseconds. */
  readonly arrivedMs: number;
  /** Undefined without TLS. */
  readonly secured: Secured | undefined;
}

interface Secured {
  readonly protocol: string;
  readonly issuer: string;
  /** Unix milliseconds; undefined if the certificate has no valid date. */
  readonly endsMs: number | undefined;
}

/** The account of the token: the cheapest request that every hub answers, with or without a token. */
export const WHO_AM_I = '/api/whoami-v2';
/** An address that every registry answers, with 401, or with 404 as Ollama's does. */
export const IS_REGISTRY = '/v2/';

/** Sends the endpoint one cheap request. The token goes to hubs only. */
export async function probeEndpoint(
  { endpoint, token, path }: SourceAccess & { readonly path: string },
  http: HttpClient,
  { clock }: Environment,
  signal: AbortSignal,
): Promise<Probe> {
  const url = new URL(`${endpoint}${path}`);
  const authorization = path === WHO_AM_I ? authorizeHub({ endpoint, token })(url) : undefined;
  const headers = { accept: 'application/json', ...(authorization === undefined ? {} : { authorization }) };
  const started = clock.monotonic();
  const response = await http.get({ url, headers, signal });
  const [elapsedMs, arrivedMs] = [clock.monotonic() - started, clock.now()];
  const secured = securedBy(response.body.socket as Partial<TLSSocket> | null);
  // The body is only for the name of the account: it may be too long or cut off.
  const text = await readText(response, MAX_ANSWER_BYTES, signal).catch(() => '');
  const { status, headers: answered } = response;
  return { status, headers: answered, text, elapsedMs, arrivedMs, secured };
}

function securedBy(socket: Partial<TLSSocket> | null): Secured | undefined {
  if (socket?.getProtocol === undefined || socket.getPeerCertificate === undefined) return undefined;
  const { issuer, valid_to: end } = socket.getPeerCertificate();
  const name = [issuer?.O, issuer?.CN].flat().find((text) => text !== undefined) ?? 'an unnamed authority';
  const endsMs = Date.parse(end ?? '');
  return {
    protocol: socket.getProtocol() ?? 'TLS',
    issuer: name,
    endsMs: Number.isNaN(endsMs) ? undefined : endsMs,
  };
}

/** Looks up the host of the endpoint. With a proxy only the name of the proxy is looked up on this machine. */
export async function checkNames({ endpoint, network }: SourceAccess, signal: AbortSignal): Promise<Finding> {
  const url = new URL(endpoint);
  const proxy = network === undefined ? undefined : proxyFor(network, url);
  const lookedUp = proxy === undefined ? url : new URL(proxy.url);
  const host = plainHost(lookedUp);
  const whose = proxy === undefined ? host : `the proxy ${host}`;
  if (isIP(host) !== 0) return { message: `${whose} is an address: no name to look up` };
  try {
    const addresses = await lookUpAddresses(host, signal);
    const more = addresses.length > 3 ? ` and ${addresses.length - 3} more` : '';
    return { message: `${whose} is ${addresses.slice(0, 3).join(', ')}${more}` };
  } catch (thrown) {
    const { message } = networkError(thrown as NodeJS.ErrnoException, lookedUp, false);
    throw new FetchError('NETWORK', message, {
      cause: thrown,
      hint: `Check the spelling in ${proxy?.origin ?? 'the endpoint'}, and the name servers of this machine. Behind a company proxy, set HTTPS_PROXY.`,
    });
  }
}

export function checkConnection({ endpoint }: SourceAccess, probe: Probe): Finding {
  const { status, headers, elapsedMs } = probe;
  const took = `${Math.round(elapsedMs)} ms`;
  const { host } = new URL(endpoint);
  if (status >= 300 && status < 400) {
    const { location } = headers;
    const to = redirectTarget(new URL(endpoint), Array.isArray(location) ? location[0] : location);
    return {
      state: 'warning',
      message: `${host} redirects to ${to.host} (${status}, ${took})`,
      hint: `A login page may stand between here and ${host}, or it has moved: check the address.`,
    };
  }
  if (status >= 500) {
    return {
      state: 'warning',
      message: `${host} answers, but with ${status} (${took})`,
      hint: `${host}, or a proxy on the way, has trouble of its own: try again later.`,
    };
  }
  return { message: `${host} answers in ${took}` };
}

export function checkCertificate({ endpoint, network }: SourceAccess, probe: Probe, nowMs: number): Finding {
  const url = new URL(endpoint);
  if (url.protocol === 'http:') {
    if (isLoopback(url)) return { message: 'not needed: the endpoint is this machine' };
    return {
      state: 'warning',
      message: 'the endpoint is plain http: the token can be read on the way',
      hint: 'Use its https address if it has one.',
    };
  }
  if (network?.insecure === true) {
    return {
      state: 'warning',
      message: `not checked: ${UNCHECKED_TLS} is set, so the token can be read and files can be changed on the way`,
      hint: 'Unset it. If your own authority signs, name its certificate in NODE_EXTRA_CA_CERTS.',
    };
  }
  const { secured } = probe;
  if (secured === undefined) return { message: 'accepted' };
  const { protocol, issuer, endsMs } = secured;
  const own = network?.certificates.length ?? 0;
  const beside = own === 0 ? '' : `; ${formatCount(own, 'further certificate')}`;
  const until = endsMs === undefined ? '' : `, until ${new Date(endsMs).toISOString().slice(0, 10)}`;
  const message = `${protocol}, signed by ${issuer}${until}${beside}`;
  if (endsMs === undefined || endsMs - nowMs > CERTIFICATE_DAYS * DAY_MS) return { message };
  return {
    state: 'warning',
    message,
    hint: `It expires within days: report this to the operator of ${url.host}.`,
  };
}

export function checkClock({ headers, arrivedMs }: Probe): Finding {
  const { date } = headers;
  const theirs = Date.parse(Array.isArray(date) ? (date[0] ?? '') : (date ?? ''));
  if (Number.isNaN(theirs)) return { state: 'skipped', message: 'the endpoint does not say what time it is' };
  const skewMs = arrivedMs - theirs;
  if (Math.abs(skewMs) <= SKEW_MS) return { message: 'within a minute of that of the endpoint' };
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return {
    state: 'warning',
    message: `this machine is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the endpoint`,
    hint: 'Set the clock (NTP): with a wrong one, valid certificates and signed addresses look expired.',
  };
}

/** Where the login for a registry comes from; never the password. */
export function checkLogin({ logins }: SourceAccess, host: string): Finding {
  const login = loginFor(logins?.() ?? [], host);
  if (login === undefined) return { message: 'no login: enough for public models' };
  return { message: `login of ${login.user}, from ${login.origin}` };
}

/** The account and the origin of the token; never its value. */
export function checkToken(token: Credential | undefined, { status, text }: Probe): Finding {
  if (token === undefined) return { message: 'none: enough for public repositories' };
  const { origin } = token;
  if (status === 401 || status === 403) {
    throw new FetchError('ACCESS', `the hub does not accept the token from ${origin}`, {
      hint: 'Make a new one in the settings of your account, or remove it: public repositories need none.',
    });
  }
  const { name, role } = status === 200 ? accountIn(text) : {};
  if (name !== undefined) {
    return { message: `of ${name}, from ${origin}${role === undefined ? '' : ` (${role})`}` };
  }
  return {
    state: 'warning',
    message: `from ${origin}; the endpoint does not say whose it is (${status})`,
    hint: 'Mirrors do not always know. Whether it is enough shows with a repository: fetch doctor OWNER/NAME.',
  };
}

function accountIn(text: string): { readonly name?: string; readonly role?: string } {
  try {
    const { name, auth } = JSON.parse(text) as {
      name?: unknown;
      auth?: { accessToken?: { role?: unknown } };
    };
    const role = auth?.accessToken?.role;
    return {
      ...(typeof name === 'string' ? { name: name.slice(0, 100) } : {}),
      ...(typeof role === 'string' ? { role: role.slice(0, 40) } : {}),
    };
  } catch {
    return {};
  }
}

export function checkLimits({ status, headers }: Probe, token: Credential | undefined): Finding {
  const { ratelimit } = headers;
  const limit = parseRateLimit(Array.isArray(ratelimit) ? ratelimit[0] : ratelimit);
  const more = token === undefined ? 'Requests with a token have a larger quota: set HF_TOKEN.' : undefined;
  const wait = 'Wait until then, and ask for fewer repositories at once.';
  if (limit === undefined) {
    if (status !== 429) return { message: 'the hub names none' };
    return { state: 'warning', message: 'too many requests already (429)', hint: more ?? wait };
  }
  const { bucket, remaining, resetMs } = limit;
  const seconds = Math.ceil(resetMs / 1000);
  const message = `${remaining} requests left${bucket === undefined ? '' : ` (${bucket})`}, all of them again in ${seconds} s`;
  return remaining >= MIN_REQUESTS_LEFT ? { message } : { state: 'warning', message, hint: more ?? wait };
}

/** The proxy of the endpoint. */
export function checkProxy({ endpoint, network }: SourceAccess): Finding {
  const proxies = [network?.httpsProxy, network?.httpProxy].filter((proxy) => proxy !== undefined);
  if (network === undefined || proxies.length === 0) return { message: 'none' };
  const proxy = proxyFor(network, new URL(endpoint));
  if (proxy !== undefined) return { message: `${proxyName(proxy)}, from ${proxy.origin}` };
  const names = [...new Set(proxies.map((one) => `${proxyName(one)} from ${one.origin}`))].join(', ');
  return { message: `not for the endpoint (there is ${names}; NO_PROXY or another scheme)` };
}
