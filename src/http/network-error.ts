import { FetchError } from '../model/error.ts';
import type { ProxyAddress } from './network-settings.ts';
import { proxyName } from './proxy.ts';

/** The phases of a request, in order. Those of a proxy occur only behind one. */
export type Phase =
  | 'look-up'
  | 'tcp'
  | 'proxy-look-up'
  | 'proxy-tcp'
  | 'proxy-tls'
  | 'connect'
  | 'tls'
  | 'head'
  | 'body';

/** The phase that a request has reached, and the proxy that it goes through. */
export interface Way {
  readonly phase: Phase;
  readonly proxy: ProxyAddress | undefined;
  /** The host has answered in this run, so it exists and a failure may be temporary. */
  readonly answered?: boolean;
}

const HINT_OFFLINE =
  'Check the network and the endpoint: "fetch doctor REPO" looks at each step between here and the file.';
const HINT_CERTIFICATE =
  'If a company proxy or your own hub signs with its own authority, name its certificate in NODE_EXTRA_CA_CERTS.';

/** What a system error code means, and whether trying again can help. */
interface Meaning {
  readonly text: string;
  readonly retryable: boolean;
  readonly hint?: string;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOTFOUND: { text: 'the name was not found', retryable: true },
  EAI_AGAIN: { text: 'the name could not be looked up', retryable: true },
  ECONNREFUSED: { text: 'the connection was refused', retryable: true },
  ECONNRESET: { text: 'the connection was reset', retryable: true },
  EPIPE: { text: 'the connection was closed', retryable: true },
  ETIMEDOUT: { text: 'the connection timed out', retryable: true },
  EHOSTUNREACH: { text: 'the host cannot be reached', retryable: true },
  ENETUNREACH: { text: 'the network cannot be reached', retryable: true },
  ENETDOWN: { text: 'the network is down', retryable: true },
  EMFILE: {
    text: 'too many files and connections are open',
    retryable: true,
    hint: 'Raise `ulimit -n` or lower --connections.',
  },
  ENFILE: {
    text: 'too many files and connections are open on this machine',
    retryable: true,
    hint: 'Other programs hold them: close some, or lower --connections.',
  },
  HPE_HEADER_OVERFLOW: { text: 'the head of the answer is too large', retryable: false },
};

/** Errors that mean that no server was reached: no network, or a wrong name. */
const UNREACHED = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
]);

/**
 * Names a failure of a connection: which host it concerns and what happened. All are retryable but those of
 * certificates.
 */
export function networkError(
  error: NodeJS.ErrnoException,
  url: URL,
  reused: boolean,
  way?: Way | undefined,
): FetchError {
  if (error instanceof FetchError) return error;
  const code = error.code ?? '';
  const whose = whoseTrouble(url, way);
  if (/CERT|SIGNATURE|SELF_SIGNED|ISSUER|ALTNAME/.test(code)) {
    return new FetchError('NETWORK', `${whose}: the certificate is not accepted (${code})`, {
      cause: error,
      hint: HINT_CERTIFICATE,
    });
  }
  const meaning = MEANINGS[code];
  const text = meaning?.text ?? unnamed(error, code);
  return new FetchError('NETWORK', `${whose}: ${text}`, {
    cause: error,
    hint: meaning?.hint ?? hintOf(way?.proxy),
    retryable: meaning?.retryable ?? true,
    unreached: UNREACHED.has(code) && way?.answered !== true,
    // The server may close a kept connection at any time: retry at once.
    retryAfterMs: reused && (code === 'ECONNRESET' || code === 'EPIPE') ? 0 : undefined,
  });
}

/** Each phase as the end of a sentence. */
const WAITING: Readonly<Record<Phase, string>> = {
  'look-up': 'while its name was looked up',
  tcp: 'while connecting',
  'proxy-look-up': 'while its name was looked up',
  'proxy-tcp': 'while connecting to it',
  'proxy-tls': 'during its TLS handshake',
  connect: 'after it was asked to connect (CONNECT)',
  tls: 'during the TLS handshake',
  head: 'while waiting for the answer',
  body: 'in the middle of the answer',
};

/** No byte came for the whole stall limit. */
export function stalledError(url: URL, limitMs: number, way?: Way): FetchError {
  const when = way === undefined ? '' : ` ${WAITING[way.phase]}`;
  const hint =
    way !== undefined && isOfProxy(way)
      ? hintOf(way.proxy)
      : `${HINT_OFFLINE} If only this host is silent, a firewall may block ${url.host}.`;
  return new FetchError('NETWORK', `${whoseTrouble(url, way)}: no byte for ${limitMs / 1000} s${when}`, {
    hint,
    retryable: true,
  });
}

/** The server answered 206 and closed the connection before the first byte (a broken edge, field facts 2.7). */
export function emptyAnswer(url: URL, address: string | undefined): FetchError {
  const where = address === undefined ? '' : ` (at ${address})`;
  return new FetchError('NETWORK', `${url.host}${where} answered 206 without a byte`, {
    hint: 'Other addresses of the host were tried too. What was fetched is kept: try again later.',
    retryable: true,
  });
}

/** The proxy refused to connect. Retryable for 5xx only. */
export function proxyRefusal(url: URL, status: number, proxy: ProxyAddress): FetchError {
  const login = status === 407 || status === 401;
  const why = login ? 'it wants a user and a password' : `it answered ${status}`;
  return new FetchError('NETWORK', `the ${named(proxy)} does not connect to ${url.host}: ${why}`, {
    hint: login
      ? `Write them into ${proxy.origin}: http://USER:PASSWORD@HOST:PORT.`
      : `Check ${proxy.origin} and what the proxy allows. List hosts that should bypass it in NO_PROXY.`,
    status,
    retryable: status >= 500,
  });
}

/** The address of the proxy is answered by something that is not a proxy. */
export function noProxyThere(url: URL, proxy: ProxyAddress, why: string): FetchError {
  return new FetchError(
    'NETWORK',
    `the ${named(proxy)} does not connect to ${url.host}: it answered ${why}`,
    {
      hint: hintOf(proxy),
      retryable: true,
    },
  );
}

function isOfProxy({ phase, proxy }: Way): boolean {
  return proxy !== undefined && (phase.startsWith('proxy-') || phase === 'connect');
}

/** The host that a failure concerns: the proxy until it has connected, then the target. */
function whoseTrouble(url: URL, way: Way | undefined): string {
  if (way?.proxy === undefined) return url.host;
  if (isOfProxy(way)) return `the ${named(way.proxy)} on the way to ${url.host}`;
  return `${url.host}, through the ${named(way.proxy)}`;
}

/** Without user and password. */
function named(proxy: ProxyAddress): string {
  return `proxy ${proxyName(proxy)} (from ${proxy.origin})`;
}

function hintOf(proxy: ProxyAddress | undefined): string {
  if (proxy === undefined) return HINT_OFFLINE;
  return `Check ${proxy.origin}, and that the proxy can be reached from here. List hosts that should bypass it in NO_PROXY.`;
}

/** Node refused to send the request: a header or an address has characters that are not allowed. */
export function invalidRequest(error: NodeJS.ErrnoException, url: URL): FetchError {
  return new FetchError('NETWORK', `${url.host}: such a request cannot be sent (${error.code ?? ''})`, {
    cause: error,
    hint: 'Check the endpoint and the token for characters that do not belong there.',
  });
}

function unnamed(error: Error, code: string): string {
  if (code.startsWith('HPE_')) return `no HTTP answer (${code})`;
  // OpenSSL's text is a line of its source code.
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return `no secure connection could be made (${code})`;
  }
  return error.message || code || 'the connection failed';
}
