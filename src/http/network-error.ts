import { FetchError } from '../model/error.ts';
import type { ProxyAddress } from './network-settings.ts';
import { proxyName } from './proxy.ts';

/** What a request waits for, one after the other; those of a proxy only where there is one. */
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

/** How far a request has come, and through which proxy it goes. */
export interface Way {
  readonly phase: Phase;
  readonly proxy: ProxyAddress | undefined;
  /** The host has answered in this run: it is there, and its trouble of now may pass. */
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

/** Without them nothing was reached: there is no network, or the name is wrong. */
const UNREACHED = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
]);

/**
 * Names a failure of a connection: whose it is, and what happened. Certificates do not get better by asking again;
 * all else may.
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
    // A kept connection that the other side closed meanwhile says nothing about the server: go on at once.
    retryAfterMs: reused && (code === 'ECONNRESET' || code === 'EPIPE') ? 0 : undefined,
  });
}

/** What a phase was, for the end of a sentence. */
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

/** Nothing came for the whole stall limit, in this phase of the request. */
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

/** A range was promised and the connection closed before its first byte: this address serves nothing now. */
export function emptyAnswer(url: URL, address: string | undefined): FetchError {
  const where = address === undefined ? '' : ` (at ${address})`;
  return new FetchError('NETWORK', `${url.host}${where} answered 206 without a byte`, {
    hint: 'Other addresses of the host were tried too. What was fetched is kept: try again later.',
    retryable: true,
  });
}

/** A proxy stands in the way and does not connect. Only its own trouble gets better by asking again. */
export function proxyRefusal(url: URL, status: number, proxy: ProxyAddress): FetchError {
  const login = status === 407 || status === 401;
  const why = login ? 'it wants a user and a password' : `it answered ${status}`;
  return new FetchError('NETWORK', `the ${named(proxy)} does not connect to ${url.host}: ${why}`, {
    hint: login
      ? `Write them into ${proxy.origin}: http://USER:PASSWORD@HOST:PORT.`
      : `Check ${proxy.origin} and what the proxy allows. Hosts to be reached without it belong into NO_PROXY.`,
    status,
    retryable: status >= 500,
  });
}

/** What answers in the place of the proxy is none. */
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

/** Which host a failure is about. Behind a proxy, it is the proxy's until that has connected. */
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
  return `Check ${proxy.origin}, and that the proxy can be reached from here. Hosts to be reached without it belong into NO_PROXY.`;
}

/** A header or an address that no request can have: our side of the connection, before anything was sent. */
export function invalidRequest(error: NodeJS.ErrnoException, url: URL): FetchError {
  return new FetchError('NETWORK', `${url.host}: such a request cannot be sent (${error.code ?? ''})`, {
    cause: error,
    hint: 'Check the endpoint and the token for characters that do not belong there.',
  });
}

function unnamed(error: Error, code: string): string {
  if (code.startsWith('HPE_')) return `no HTTP answer (${code})`;
  // What OpenSSL says of a server that does not speak TLS is a line of its source code.
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return `no secure connection could be made (${code})`;
  }
  return error.message || code || 'the connection failed';
}
