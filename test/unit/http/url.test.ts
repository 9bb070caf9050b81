import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { redactUrl, redirectAddress, redirectTarget, requestTarget } from '../../../src/http/url.ts';

describe('redactUrl', () => {
  test.each([
    ['https://hub.example/a/b', 'https://hub.example/a/b'],
    ['https://hub.example:8443/a?X-Amz-Signature=secret', 'https://hub.example:8443/a?…'],
    ['https://user:secret@hub.example/a#secret', 'https://hub.example/a'],
    ['https://hub.example/a?', 'https://hub.example/a'],
    ['secret', '(unreadable URL)'],
    ['', '(unreadable URL)'],
  ])('%s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });

  test('takes URLs as well', () => {
    expect(redactUrl(new URL('https://hub.example/a?token=secret'))).toBe('https://hub.example/a?…');
  });

  test('never shows what stands in user, password, query or fragment', () => {
    const secret = fc.stringMatching(/^[a-z]{3,10}$/).map((text) => `zz${text}`);
    fc.assert(
      fc.property(secret, fc.webUrl({ withQueryParameters: true, withFragments: true }), (word, url) => {
        const whole = new URL(url);
        fc.pre(!`${whole.host}${whole.pathname}`.includes(word));
        whole.username = word;
        whole.password = word;
        whole.searchParams.set('Signature', word);
        whole.hash = word;
        expect(redactUrl(whole.href)).not.toContain(word);
      }),
    );
  });
});

describe('redirectTarget', () => {
  const from = new URL('https://hub.example/owner/name/resolve/main/a.json?download=true');

  test.each([
    ['/api/resolve-cache/x?etag=%22a%22', 'https://hub.example/api/resolve-cache/x?etag=%22a%22'],
    ['b.json', 'https://hub.example/owner/name/resolve/main/b.json'],
    ['https://cdn.example/x?Signature=a', 'https://cdn.example/x?Signature=a'],
    ['//cdn.example/x', 'https://cdn.example/x'],
    ['https://user:password@cdn.example/x#part', 'https://cdn.example/x'],
    ['?a=b', 'https://hub.example/owner/name/resolve/main/a.json?a=b'],
  ])('%s', (location, expected) => {
    expect(redirectTarget(from, location).href).toBe(expected);
  });

  test.each([[undefined], ['https://'], ['http://[::1'], ['https://a b/']])(
    '%j leads nowhere',
    (location) => {
      expect(() => redirectTarget(from, location)).toThrow(
        expect.objectContaining({
          code: 'NETWORK',
          retryable: true,
          message: expect.not.stringContaining('download=true'),
        }),
      );
    },
  );

  test.each(['ftp://cdn.example/x', 'file:///etc/passwd', 'data:text/plain,x', 'javascript:alert(1)'])(
    '%s is refused',
    (location) => {
      expect(() => redirectTarget(from, location)).toThrow(
        expect.objectContaining({ code: 'NETWORK', retryable: false }),
      );
    },
  );

  test('a step from https to http is refused, the other way is not', () => {
    expect(() => redirectTarget(from, 'http://hub.example/x?Signature=secret')).toThrow(
      expect.objectContaining({
        code: 'NETWORK',
        retryable: false,
        hint: expect.any(String),
        message: expect.not.stringContaining('secret'),
      }),
    );
    expect(redirectTarget(new URL('http://a.example/'), 'https://b.example/').protocol).toBe('https:');
    expect(redirectTarget(new URL('http://a.example/'), 'http://b.example/').protocol).toBe('http:');
  });

  test('nothing that a server sends makes it throw anything but a named error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.webPath()), (location) => {
        try {
          const target = redirectTarget(from, location);
          expect(target.protocol).toBe('https:');
          expect(target.username + target.password + target.hash).toBe('');
        } catch (error) {
          expect(error).toMatchObject({ code: 'NETWORK' });
        }
      }),
    );
  });
});

describe('an address as the server wrote it', () => {
  const FROM = 'https://hub.example/o/m/resolve/main/f?x=1';
  test.each([
    ["https://cdn.example/a~b%7Ec?x=it's&Z=1&A=%2a*&b", "https://cdn.example/a~b%7Ec?x=it's&Z=1&A=%2a*&b"],
    ['HTTPS://CDN.example:443/a|b?c=%2f', 'https://cdn.example/a|b?c=%2f'],
    ['/api/resolve-cache/x?etag=%22a%22', 'https://hub.example/api/resolve-cache/x?etag=%22a%22'],
    ["//cdn.example/it's?q='", "https://cdn.example/it's?q='"],
    ['https://user:pw@cdn.example/a#part', 'https://cdn.example/a'],
    // What only a parser can read, it reads.
    ['../other', 'https://hub.example/o/m/resolve/other'],
    ['?y=2', 'https://hub.example/o/m/resolve/main/f?y=2'],
    ['https://cdn.example?y=2', 'https://cdn.example/?y=2'],
    ['https://cdn.example/a/../b', 'https://cdn.example/b'],
    ['https://cdn.example/a b', 'https://cdn.example/a%20b'],
    ['/\\evil.example/x', 'https://evil.example/x'],
  ])('%s', (location, expected) => {
    const address = redirectAddress(FROM, location);
    expect(address).toBe(expected);
    expect(new URL(address).origin + requestTarget(address)).toBe(expected);
  });
});
