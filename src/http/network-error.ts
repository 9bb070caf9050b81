import { FetchError } from '../model/error.ts';

const HINT_OFFLINE =
  'Check the network and the endpoint. What was fetched is kept: run the same command again.';
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

/** Names a failure of a connection. Certificates do not get better by asking again; all else may. */
export function networkError(error: NodeJS.ErrnoException, url: URL, reused: boolean): FetchError {
  if (error instanceof FetchError) return error;
  const code = error.code ?? '';
  if (/CERT|SIGNATURE|SELF_SIGNED|ISSUER|ALTNAME/.test(code)) {
    return new FetchError('NETWORK', `${url.host}: the certificate is not accepted (${code})`, {
      cause: error,
      hint: HINT_CERTIFICATE,
    });
  }
  const meaning = MEANINGS[code];
  const text = meaning?.text ?? unnamed(error, code);
  return new FetchError('NETWORK', `${url.host}: ${text}`, {
    cause: error,
    hint: meaning?.hint ?? HINT_OFFLINE,
    retryable: meaning?.retryable ?? true,
    // A kept connection that the other side closed meanwhile says nothing about the server: go on at once.
    retryAfterMs: reused && (code === 'ECONNRESET' || code === 'EPIPE') ? 0 : undefined,
  });
}

/** Nothing came for the whole stall limit. */
export function stalledError(url: URL, limitMs: number): FetchError {
  return new FetchError('NETWORK', `${url.host}: no byte for ${limitMs / 1000} s`, {
    hint: `${HINT_OFFLINE} If only this host is silent, a firewall may block ${url.host}.`,
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
export function proxyRefusal(url: URL, status: number): FetchError {
  const login = status === 407 || status === 401;
  const why = login ? 'it wants a user and a password' : `it answered ${status}`;
  return new FetchError('NETWORK', `the proxy does not connect to ${url.host}: ${why}`, {
    hint: login
      ? 'Write them into the variable that names the proxy: http://USER:PASSWORD@HOST:PORT.'
      : 'Check HTTPS_PROXY and what the proxy allows. Hosts to be reached without it belong into NO_PROXY.',
    status,
    retryable: status >= 500,
  });
}

/** A header or an address that no request can have: our side of the connection, before anything was sent. */
export function unsendable(error: NodeJS.ErrnoException, url: URL): FetchError {
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
