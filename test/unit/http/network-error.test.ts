import { describe, expect, test } from 'vitest';
import { networkError, stalledError } from '../../../src/http/network-error.ts';
import { FetchError } from '../../../src/model/error.ts';

const URL_WITH_SECRET = new URL('https://cdn.example/a.bin?Signature=secret');

function failed(code: string, message = `connect ${code} 10.0.0.1:443`): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

describe('networkError', () => {
  test.each([
    ['ENOTFOUND', 'the name was not found'],
    ['EAI_AGAIN', 'the name could not be looked up'],
    ['ECONNREFUSED', 'the connection was refused'],
    ['ECONNRESET', 'the connection was reset'],
    ['EPIPE', 'the connection was closed'],
    ['ETIMEDOUT', 'the connection timed out'],
    ['EHOSTUNREACH', 'the host cannot be reached'],
    ['ENETUNREACH', 'the network cannot be reached'],
    ['HPE_INVALID_CONSTANT', 'no HTTP answer (HPE_INVALID_CONSTANT)'],
    ['EPROTO', 'no secure connection could be made (EPROTO)'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'no secure connection could be made (ERR_SSL_WRONG_VERSION_NUMBER)'],
    ['ESOMETHING', 'connect ESOMETHING 10.0.0.1:443'],
  ])('%s may get better', (code, text) => {
    const cause = failed(code);
    expect(networkError(cause, URL_WITH_SECRET, false)).toMatchObject({
      code: 'NETWORK',
      side: 'source',
      message: `cdn.example: ${text}`,
      hint: expect.any(String),
      retryable: true,
      retryAfterMs: undefined,
      cause,
    });
  });

  test.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('%s does not', (code) => {
    expect(networkError(failed(code), URL_WITH_SECRET, true)).toMatchObject({
      code: 'NETWORK',
      message: `cdn.example: the certificate is not accepted (${code})`,
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
      retryable: false,
    });
  });

  test('a head that is too large stays so', () => {
    expect(networkError(failed('HPE_HEADER_OVERFLOW'), URL_WITH_SECRET, false).retryable).toBe(false);
  });

  test('only a kept connection that was closed is worth an immediate second try', () => {
    expect(networkError(failed('ECONNRESET'), URL_WITH_SECRET, true).retryAfterMs).toBe(0);
    expect(networkError(failed('EPIPE'), URL_WITH_SECRET, true).retryAfterMs).toBe(0);
    expect(networkError(failed('ETIMEDOUT'), URL_WITH_SECRET, true).retryAfterMs).toBeUndefined();
  });

  test('always says something', () => {
    for (const error of [new Error(''), new AggregateError([], ''), failed('EWEIRD', '')]) {
      expect(networkError(error, URL_WITH_SECRET, false).message).toMatch(/: .+$/);
    }
  });

  test('leaves a named error as it is', () => {
    const named = new FetchError('ACCESS', 'no');
    expect(networkError(named, URL_WITH_SECRET, true)).toBe(named);
  });
});

test.each([
  ['ENOTFOUND', true],
  ['EAI_AGAIN', true],
  ['ECONNREFUSED', true],
  ['ENETUNREACH', true],
  ['EHOSTUNREACH', true],
  ['ECONNRESET', false],
  ['ETIMEDOUT', false],
])('%s: unreached is %s, until the host has answered', (code, unreached) => {
  const way = { phase: 'tcp', proxy: undefined } as const;
  expect(networkError(failed(code), URL_WITH_SECRET, false, way).unreached).toBe(unreached);
  expect(networkError(failed(code), URL_WITH_SECRET, false, { ...way, answered: true }).unreached).toBe(
    false,
  );
});

test('a stall names the host and the limit', () => {
  expect(stalledError(URL_WITH_SECRET, 30_000)).toMatchObject({
    code: 'NETWORK',
    message: 'cdn.example: no byte for 30 s',
    hint: expect.stringContaining('cdn.example'),
    retryable: true,
  });
});
