import { readText } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { authorizeOrigin, followRedirects } from '../../http/follow-redirects.ts';
import { isLoopback } from '../../http/proxy.ts';
import { serverDelay } from '../../http/retry-after.ts';
import { redactUrl } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import type { Clock } from '../../system/clock.ts';
import type { Credential } from '../source.ts';
import { accessError, type RegistryLogin } from './login.ts';

const MAX_TOKEN_BYTES = 64 * 1024;

/** Characters of the header that are read. */
const MAX_CHALLENGE = 8192;

/** A `Bearer` or `Basic` challenge of `WWW-Authenticate` (RFC 9110 11.6.1). */
interface Challenge {
  readonly scheme: 'bearer' | 'basic';
  readonly parameters: ReadonlyMap<string, string>;
}

interface AuthorizerOptions {
  /** Origin of the registry: the only one that receives the values made here. */
  readonly origin: string;
  /** `library/mixtral`: a token is for it alone, unless the challenge says otherwise. */
  readonly repository: string;
  readonly login: RegistryLogin | undefined;
  /** Sent before the first challenge. */
  readonly token?: Credential | undefined;
  readonly http: HttpClient;
  readonly clock: Clock;
}

/**
 * Answers the challenges of one registry for one repository, anonymously or with a login. The password goes to the
 * token service that a challenge names, or with Basic to the registry; over plain http only on loopback.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #value: string | undefined;
  #pending: Promise<string | undefined> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#value = options.token && `Bearer ${options.token.value}`;
  }

  /** Value of the Authorization header for requests to the registry; undefined before the first challenge. */
  get value(): string | undefined {
    return this.#value;
  }

  /**
   * Makes a new value after a 401. False if no challenge is supported, or if the value would be the same. `refused`
   * is the value that was sent. Throws ACCESS or NETWORK.
   */
  async answer(response: HttpResponse, refused: string | undefined, signal: AbortSignal): Promise<boolean> {
    // A concurrent request has renewed it already.
    if (this.#value !== refused) return true;
    const challenge = parseChallenge(response.headers['www-authenticate']);
    if (challenge === undefined) return false;
    if (this.#pending === undefined) {
      this.#pending = this.#valueFor(challenge, signal);
      const done = () => {
        this.#pending = undefined;
      };
      this.#pending.then(done, done);
    }
    const value = await this.#pending;
    signal.throwIfAborted();
    if (value === undefined || value === refused) return false;
    this.#value = value;
    return true;
  }

  /** Undefined for Basic without a login. */
  async #valueFor(challenge: Challenge, signal: AbortSignal): Promise<string | undefined> {
    const { origin, login } = this.#options;
    if (challenge.scheme === 'bearer') return `Bearer ${await this.#token(challenge, signal)}`;
    return login && this.#basic(login, new URL(origin));
  }

  /** The value for Basic, if the password may be sent to this host. */
  #basic(login: RegistryLogin, to: URL): string {
    const registry = new URL(this.#options.origin);
    const isHere = isLoopback(registry) && isLoopback(to);
    // A challenge over plain http may be forged and name any token service. And another machine must not make us
    // connect to ports of this one.
    for (const url of [registry, to]) {
      if (url.protocol === 'https:' || isHere || (url === registry && isLoopback(url))) continue;
      throw new FetchError(
        'ACCESS',
        `the password from ${login.origin} is not sent to ${url.host}: plain http`,
        {
          hint: 'Name the registry without http://, or leave the login out.',
        },
      );
    }
    return `Basic ${Buffer.from(`${login.user}:${login.password}`, 'utf8').toString('base64')}`;
  }

  async #token({ parameters }: Challenge, signal: AbortSignal): Promise<string> {
    const { login, repository, http, origin } = this.#options;
    const realm = parameters.get('realm') ?? '';
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new FetchError(
        'NETWORK',
        `${new URL(origin).host} asks for a token without saying where to get it`,
        {
          hint: 'The registry, or a proxy on the way, sends a malformed challenge. Check the host, or try another network.',
        },
      );
    }
    url.username = '';
    url.password = '';
    const service = parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    const scope = parameters.get('scope') ?? `repository:${repository}:pull`;
    for (const one of scope.split(' ')) {
      if (one !== '') url.searchParams.append('scope', one);
    }
    const credential = login && { origin: url.origin, value: this.#basic(login, url) };
    const { response } = await followRedirects(url.href, {
      send: (hop) => http.get(hop),
      headers: { accept: 'application/json' },
      authorize: authorizeOrigin(credential),
      retryable: true,
      signal,
    });
    const text = await readText(response, MAX_TOKEN_BYTES, signal);
    if (response.status < 200 || response.status >= 300) throw this.#refused(response);
    return tokenIn(text, response);
  }

  #refused({ url, status, headers }: HttpResponse): FetchError {
    const { login, clock, origin, repository } = this.#options;
    const { host } = new URL(origin);
    if (status >= 500 || status === 429 || status === 408) {
      return new FetchError('NETWORK', `${redactUrl(url)} answered ${status} to the request for a token`, {
        status,
        retryable: true,
        retryAfterMs: serverDelay(headers, clock.now()),
        hint: `It gives the tokens of ${host}. Try again later.`,
      });
    }
    const who = login === undefined ? 'without a login' : `for the login from ${login.origin}`;
    return accessError(
      `${url.host} gives no token for ${repository} at ${host} ${who} (${status})`,
      login?.origin,
      status,
    );
  }
}

function tokenIn(text: string, { url }: HttpResponse): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Refused below.
  }
  const token = isRecord(json) ? (json['token'] ?? json['access_token']) : undefined;
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new FetchError('NETWORK', `${redactUrl(url)} answered without a token`, {
    retryable: true,
    hint: 'A proxy or a login page may stand between here and the token service: try another network.',
  });
}

/** The first challenge that can be answered, Bearer before Basic; undefined if there is none. */
export function parseChallenge(header: string | string[] | undefined): Challenge | undefined {
  const text = [header ?? []].flat().join(', ').slice(0, MAX_CHALLENGE);
  const found: Challenge[] = [];
  // A scheme is followed by a parameter or nothing; a parameter by "=".
  const starts = [...text.matchAll(/(?:^|,)\s*(bearer|basic)(?=\s|,|$)/gi)];
  for (const [index, start] of starts.entries()) {
    const from = start.index + start[0].length;
    const parameters = new Map<string, string>();
    for (const [, name, quoted, plain] of text
      .slice(from, starts[index + 1]?.index)
      .matchAll(/([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
      const key = name!.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
    }
    found.push({ scheme: start[1]!.toLowerCase() as Challenge['scheme'], parameters });
  }
  return found.find(({ scheme }) => scheme === 'bearer') ?? found[0];
}
