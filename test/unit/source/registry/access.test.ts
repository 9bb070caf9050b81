import { describe, expect, test } from 'vitest';
import type { HttpClient, HttpRequest, HttpResponse } from '../../../../src/http/client.ts';
import { Authorizer, parseChallenge } from '../../../../src/source/registry/authorizer.ts';
import { linkedTags } from '../../../../src/source/registry/linked-tags.ts';
import { dockerLogins, parseLogin } from '../../../../src/source/registry/login.ts';
import { systemClock } from '../../../../src/system/clock.ts';

const { signal } = new AbortController();
const LOGIN = { host: undefined, user: 'me', password: 'secret', origin: '--token' };

describe('a challenge', () => {
  test.each([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:ai/x:pull"',
      'bearer',
      { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:ai/x:pull' },
    ],
    ['bearer realm=https://a/b, service=c', 'bearer', { realm: 'https://a/b', service: 'c' }],
    ['Basic realm="our, \\"own\\" registry"', 'basic', { realm: 'our, "own" registry' }],
    ['Basic realm="x", Bearer realm="https://a/t"', 'bearer', { realm: 'https://a/t' }],
    ['Negotiate, Bearer realm="https://a/t"', 'bearer', { realm: 'https://a/t' }],
    ['Basic', 'basic', {}],
  ])('%s', (header, scheme, parameters) => {
    const found = parseChallenge(header);
    expect({ scheme: found?.scheme, parameters: Object.fromEntries(found?.parameters ?? []) }).toEqual({
      scheme,
      parameters,
    });
  });

  test.each([undefined, '', 'Negotiate', 'Digest realm="x"', ','.repeat(100_000)])('none in %j', (header) => {
    expect(parseChallenge(header)).toBeUndefined();
  });
});

describe('a login', () => {
  test('is split at the first colon', () => {
    expect(parseLogin('me:pass:word', '--token')).toMatchObject({ user: 'me', password: 'pass:word' });
  });

  test.each(['hf_token', ':word', 'me:', ''])('%j is none', (text) => {
    const parse = () => parseLogin(text, '--token');
    expect(parse).toThrow(expect.objectContaining({ code: 'USAGE' }));
    if (text !== '') expect(parse).not.toThrow(text);
  });

  test("of Docker's file: by host, and nothing from what is damaged or kept by a helper", () => {
    const auth = Buffer.from('me:pass:word').toString('base64');
    const auths = {
      'https://index.docker.io/v1/': { auth },
      'registry.example:5000': { username: 'you', password: 'word' },
      'https://Other.example:443/v2/': { auth },
      'no host': { auth },
      'helper.example': {},
      'empty.example': { auth: '' },
      'odd.example': 'text',
      'broken.example': { auth: Buffer.from('nothing').toString('base64') },
    };
    const found = dockerLogins(JSON.stringify({ auths, credsStore: 'desktop' }), '~/.docker/config.json');
    expect(found.map(({ host, user, password }) => [host, user, password])).toEqual([
      ['registry-1.docker.io', 'me', 'pass:word'],
      ['registry.example:5000', 'you', 'word'],
      ['other.example', 'me', 'pass:word'],
    ]);
    for (const text of [undefined, '', '{', '[]', '{"auths":[]}', '{"auths":3}'])
      expect(dockerLogins(text, 'x')).toEqual([]);
  });
});

describe('a password', () => {
  const requests: HttpRequest[] = [];
  const http = {
    get: async (request: HttpRequest) => {
      requests.push(request);
      throw new Error('no request is expected');
    },
  } as unknown as HttpClient;
  const answer = (origin: string, challenge: string) =>
    new Authorizer({ origin, repository: 'x', login: LOGIN, http, clock: systemClock }).answer(
      { headers: { 'www-authenticate': challenge } } as unknown as HttpResponse,
      undefined,
      signal,
    );

  test.each([
    ['a registry in plain http', 'http://10.0.0.1:5000', 'Basic realm="x"'],
    ['a token service in plain http', 'https://registry.example', 'Bearer realm="http://auth.example/token"'],
    [
      'a port of this machine that another one names',
      'https://registry.example',
      'Bearer realm="http://127.0.0.1:99/t"',
    ],
    // Anyone on the way could have written that challenge.
    [
      'a token service that plain http names',
      'http://10.0.0.1:5000',
      'Bearer realm="https://auth.example/token"',
    ],
  ])('does not go to %s', async (_, origin, challenge) => {
    await expect(answer(origin, challenge)).rejects.toMatchObject({ code: 'ACCESS' });
    expect(requests).toEqual([]);
  });

  test('goes to a registry in https and on loopback', async () => {
    for (const origin of [
      'https://registry.example',
      'http://127.0.0.1:5000',
      'http://[::1]:5000',
      'http://localhost',
    ])
      expect(await answer(origin, 'Basic realm="x"')).toBe(true);
  });

  test.each(['Bearer service="x"', 'Bearer realm="ftp://x/y"', 'Bearer realm="/token"'])(
    '%s names no token service',
    async (challenge) => {
      await expect(answer('https://registry.example', challenge)).rejects.toMatchObject({ code: 'NETWORK' });
    },
  );
});

describe('the tags of a page', () => {
  const ADDRESS = 'https://ollama.com/library/mixtral/tags';
  const tags = (html: string) => linkedTags(html, ADDRESS, 'library/mixtral');

  test('are the links to this very model, each once, in their order', () => {
    const html = `<!doctype html><html><head><title>a &amp; b</title></head><body>
      <a href="/library/mixtral:8x7b">x</a><A HREF='https://ollama.com/library/mixtral:8x22b'>x</A>
      <a class=y href=/library/mixtral:q4_K_M>x</a><a href="mixtral:relative">x</a><a href="../mixtral:up">x</a>
      <a href="/library/mixtral:8x7b#again">x</a><a href="/library/mixtral%3Aencoded">x</a>
      <a href="/library/mixtral">x</a><a href="/library/mixtral:8x7b/blobs/0123">x</a><a href="/library/mixtral-two:7b">x</a>
      <a href="/library/other:7b">x</a><a href="/someone/mixtral:7b">x</a><a href="//elsewhere.example/library/mixtral:evil">x</a>
      <a href="http://ollama.com/library/mixtral:open">x</a><a href="javascript:mixtral:1">x</a><a>x</a><a href="http://[">x</a>
      <a href="/library/mixtral:../x">x</a><a href="/library/mixtral:%00">x</a><a href="/library/mixtral:">x</a>
      <!-- <a href="/library/mixtral:comment">x</a> --><script>'<a href="/library/mixtral:script">x</a>'</script>
      <link href="/library/mixtral:link"><a href="/library/mixtral:last`;
    expect(tags(`${html}">x</a>`)).toEqual(['8x7b', '8x22b', 'q4_K_M', 'up', 'encoded', 'last']);
  });

  test('are none of a page of something else', () => {
    for (const html of ['', 'text', '{"json":1}', '<html></html>', '<'.repeat(100_000)])
      expect(tags(html)).toEqual([]);
  });
});
