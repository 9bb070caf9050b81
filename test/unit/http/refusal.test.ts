import { describe, expect, test } from 'vitest';
import { HostRanges } from '../../../src/http/host-ranges.ts';
import { rangeAnswer } from '../../../src/http/range.ts';
import { refusalKind, refusalWords, storageError } from '../../../src/http/refusal.ts';

const EXPIRED =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>';

describe('what a refusal means', () => {
  test.each([
    [403, 'Auth failed: invalid range', 'bound'],
    [403, EXPIRED, 'expired'],
    [403, 'Request has expired', 'expired'],
    [403, 'Auth failed: SignatureError: invalid key pair id', 'signature'],
    [400, '<Error><Code>SignatureDoesNotMatch</Code></Error>', 'signature'],
    [416, '', 'no-ranges'],
    [501, 'Not implemented', 'no-ranges'],
    [400, '<h1>400</h1>', 'no-ranges'],
    [403, '<html>blocked</html>', 'page'],
    [451, ' <!DOCTYPE html><body>signature expired</body>', 'page'],
    [404, '<html>gone</html>', 'other'],
    [404, 'NoSuchKey', 'other'],
    [503, 'invalid range of something', 'other'],
  ] as const)('%d %j is %s', (status, body, kind) => {
    expect(refusalKind(status, body)).toBe(kind);
  });
});

describe('the words of a refusal', () => {
  test.each([
    [EXPIRED, 'AccessDenied: Access denied'],
    ['Auth failed: invalid range\n', 'Auth failed: invalid range'],
    ['<html><body><h1>400</h1> Bad\u0007 Request</body>', '400 Bad Request'],
    ['\u001b[31mred\u202eder\u200b', '[31mred der'],
    ['<html><head><title>Stop</title><style>.a{color:red}</style></head>', 'Stop'],
    ['<html><title>Stop</title><style>.a{color:red}', 'Stop'],
    ['', ''],
  ])('%j', (body, words) => {
    expect(refusalWords(body)).toBe(words);
  });

  test.each([
    'Denied: https://us.aws.cdn.hf.co/x?Signature=topsecret&Policy=topsecret',
    'Signature=topsecret does not match',
    'X-Amz-Signature=topsecret&x',
    `policy ${'topsecret'.repeat(8)} was wrong`,
    'access_token=topsecret',
  ])('never repeat a secret: %s', (body) => {
    expect(refusalWords(body)).not.toContain('topsecret');
  });

  test('are bounded', () => {
    expect(refusalWords('no '.repeat(5000)).length).toBeLessThanOrEqual(200);
  });

  test('stand in the error, and a wrong signature is not called a fault of the user', () => {
    const refused = {
      host: 'cdn.example',
      status: 403,
      headers: {},
      body: 'SignatureError: invalid key pair id',
    };
    expect(storageError(refused, 'model.bin', 0)).toMatchObject({
      code: 'NETWORK',
      refusal: 'signature',
      retryable: true,
      message: 'cdn.example answered 403 for model.bin: SignatureError: invalid key pair id',
      hint: expect.stringContaining('Only its operator can mend that'),
    });
  });
});

describe('what an answer brings', () => {
  const asked = { start: 100, end: 200 };
  const range = { kind: 'range', range: asked };
  test.each([
    [206, { 'content-range': 'bytes 100-199/1000' }, range],
    [206, { 'content-range': 'bytes 100-199/*' }, range],
    [206, { 'content-range': 'bytes 100-149/1000' }, { kind: 'range', range: { start: 100, end: 150 } }],
    [206, { 'content-range': 'bytes 101-199/1000' }, { kind: 'other', said: 'bytes 101-199/1000' }],
    [206, { 'content-range': 'bytes 100-199/999' }, { kind: 'other', said: 'bytes 100-199/999' }],
    [206, { 'content-length': '100' }, range],
    [206, { 'content-length': '99' }, { kind: 'unnamed' }],
    [206, {}, { kind: 'unnamed' }],
    [206, { 'content-length': '100', 'content-encoding': 'gzip' }, { kind: 'unnamed' }],
    [
      206,
      { 'content-length': '100', 'content-type': 'multipart/byteranges; boundary=x' },
      { kind: 'unnamed' },
    ],
    [200, { 'content-range': 'bytes 100-199/1000', 'content-length': '100' }, range],
    [
      200,
      { 'content-range': 'bytes 100-199/*', 'content-length': '100' },
      { kind: 'other', said: 'bytes 100-199/*' },
    ],
    [
      200,
      { 'content-range': 'bytes 0-99/1000', 'content-length': '100' },
      { kind: 'other', said: 'bytes 0-99/1000' },
    ],
    [200, { 'content-range': 'bytes 0-999/1000', 'content-length': '1000' }, { kind: 'whole' }],
    [200, { 'content-length': '1000' }, { kind: 'whole' }],
    [200, {}, { kind: 'whole' }],
  ])('%d %j', (status, headers, expected) => {
    expect(rangeAnswer(status, headers, asked, 1000)).toEqual(expected);
  });
});

describe('how a host is asked', () => {
  const HOST = 'https://cdn.example';

  test('for any range, until it says that its addresses are bound to one', () => {
    const hosts = new HostRanges();
    expect(hosts.of(HOST)).toBe('any');
    expect(hosts.refused(HOST, 'bound', 'any')).toBe(true);
    expect(hosts.of(HOST)).toBe('exact');
    // Another connection had asked before that was known.
    expect(hosts.refused(HOST, 'bound', 'any')).toBe(true);
    expect(hosts.of(HOST)).toBe('exact');
    expect(hosts.of('https://other.example')).toBe('any');
  });

  test('for the whole file, if it refuses that too', () => {
    const hosts = new HostRanges();
    hosts.refused(HOST, 'bound', 'any');
    expect(hosts.refused(HOST, 'bound', 'exact')).toBe(true);
    expect(hosts.of(HOST)).toBe('none');
  });

  test('for the whole file, if it refuses ranges and has never served one', () => {
    const hosts = new HostRanges();
    expect(hosts.refused(HOST, 'no-ranges', 'any')).toBe(true);
    expect(hosts.of(HOST)).toBe('none');
    const proven = new HostRanges();
    proven.worked(HOST, 'any');
    expect(proven.refused(HOST, 'no-ranges', 'any')).toBe(false);
    expect(proven.of(HOST)).toBe('any');
  });

  test('as before, if it refuses the whole file as well: that was not about ranges', () => {
    const hosts = new HostRanges();
    hosts.refused(HOST, 'no-ranges', 'any');
    expect(hosts.refused(HOST, 'no-ranges', 'none')).toBe(false);
    expect(hosts.of(HOST)).toBe('any');
  });

  test.each(['expired', 'signature', 'other', undefined] as const)('%s teaches nothing', (refusal) => {
    const hosts = new HostRanges();
    expect(hosts.refused(HOST, refusal, 'any')).toBe(false);
    expect(hosts.of(HOST)).toBe('any');
  });
});
