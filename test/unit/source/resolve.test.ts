import type { IncomingMessage, RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { FetchError } from '../../../src/model/error.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { Revision } from '../../../src/model/repo.ts';
import { makeHubSource } from '../../support/hub-source.ts';
import { serveHttp, type TestServer } from '../../support/server.ts';

const COMMIT = 'a'.repeat(40);
const REVISION: Revision = { repo: { type: 'model', id: 'o/m' }, name: 'main', id: COMMIT, gated: false };
const FILE: RemoteFile = { path: 'model.bin', size: 1000, digest: undefined };
const { signal } = new AbortController();
const TOKEN = { value: 'hf_topsecret', origin: '--token' };

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

async function serveSeen(answer: RequestListener): Promise<TestServer & { readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = await serveHttp((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    answer(request, response);
  });
  return Object.assign(server, { seen });
}

const SIGNED = "https://cdn.example/xet/a~b%7Ec?x=it's&Z=1&A=%2a*&Expires=1800000000&Signature=s%20t+u~";

describe('where a file is', () => {
  test('is asked by HEAD without a range, and the address is kept as it came', async () => {
    await using hub = await serveSeen((_, response) => {
      response.writeHead(302, { location: SIGNED, 'x-repo-commit': COMMIT, 'content-length': 266 }).end();
    });
    using setup = makeHubSource({ endpoint: hub.origin, token: TOKEN });
    const location = await setup.source.locate(REVISION, FILE, signal);
    expect(location).toEqual({
      kind: 'http' as const,
      url: SIGNED,
      authorization: undefined,
      expiresAt: 1_800_000_000_000,
      ranges: 'any',
    });
    expect(hub.seen.map(({ method }) => method)).toEqual(['HEAD']);
    expect(hub.seen[0]!.headers.range).toBeUndefined();
    expect(hub.seen[0]!.headers.authorization).toBe('Bearer hf_topsecret');
  });

  test('for one range, if that is asked for', async () => {
    await using hub = await serveSeen((_, response) => {
      response.writeHead(302, { location: SIGNED, 'x-repo-commit': COMMIT }).end();
    });
    using setup = makeHubSource({ endpoint: hub.origin });
    const range = { start: 5, end: 10 };
    const location = await setup.source.locate(REVISION, FILE, signal, range);
    expect(location).toMatchObject({ ranges: 'exact', range });
    expect(hub.seen[0]!.headers.range).toBe('bytes=5-9');
  });

  test.each([405, 403, 501, 404, 400, 416])(
    'is asked by GET where HEAD is refused with %d, and from then on',
    async (status) => {
      await using hub = await serveSeen((request, response) => {
        if (request.method === 'HEAD') response.writeHead(status).end();
        else response.writeHead(302, { location: SIGNED, 'x-repo-commit': COMMIT }).end('Found');
      });
      using setup = makeHubSource({ endpoint: hub.origin });
      expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(SIGNED);
      await setup.source.locate(REVISION, { ...FILE, path: 'other.bin' }, signal);
      expect(hub.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'GET']);
      expect(hub.seen.every(({ headers }) => headers.range === undefined)).toBe(true);
    },
  );

  test.each<[string, RequestListener]>([
    ['another length', (_, response) => response.writeHead(200, { 'content-length': 5 }).end()],
    ['a redirect to nowhere', (_, response) => response.writeHead(302).end()],
  ])('is asked by GET where HEAD is answered with %s', async (_, onHead) => {
    await using hub = await serveSeen((request, response) => {
      if (request.method === 'HEAD') onHead(request, response);
      else response.writeHead(302, { location: SIGNED, 'x-repo-commit': COMMIT }).end();
    });
    using setup = makeHubSource({ endpoint: hub.origin });
    expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(SIGNED);
  });

  test('is asked by the other method after a connection that broke', async () => {
    await using hub = await serveSeen((request, response) => {
      if (request.method === 'HEAD') response.socket?.destroy();
      else response.writeHead(302, { location: SIGNED, 'x-repo-commit': COMMIT }).end();
    });
    using setup = makeHubSource({ endpoint: hub.origin });
    await expect(setup.source.locate(REVISION, FILE, signal)).rejects.toMatchObject({ retryable: true });
    expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(SIGNED);
  });

  test('a whole file in the answer to a GET is not read', async () => {
    await using hub = await serveSeen((request, response) => {
      if (request.method === 'HEAD') response.writeHead(405).end();
      else {
        response.writeHead(200, { 'content-length': 1 << 30 });
        response.write(Buffer.alloc(1 << 20));
      }
    });
    using setup = makeHubSource({ endpoint: hub.origin });
    const location = await setup.source.locate(REVISION, { ...FILE, size: 1 << 30 }, signal);
    expect(location.url).toBe(`${hub.origin}/o/m/resolve/${COMMIT}/model.bin`);
  });
});

describe('a mirror that sends downloads on', () => {
  test('is followed to the other hub, without the token, by its own quota, and told once', async () => {
    await using hub = await serveSeen((_, response) => {
      const headers = { location: SIGNED, 'x-repo-commit': COMMIT, ratelimit: '"resolvers";r=0;t=30' };
      response.writeHead(302, headers).end();
    });
    await using mirror = await serveSeen((request, response) => {
      response.writeHead(308, { location: `${hub.origin}${request.url}` }).end();
    });
    const notes: string[] = [];
    using setup = makeHubSource({
      endpoint: mirror.origin,
      token: TOKEN,
      onNote: (note) => notes.push(note),
    });
    expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(SIGNED);
    expect(mirror.seen[0]).toMatchObject({
      method: 'HEAD',
      headers: { authorization: 'Bearer hf_topsecret' },
    });
    expect(hub.seen[0]).toMatchObject({ method: 'HEAD', url: `/o/m/resolve/${COMMIT}/model.bin` });
    expect(hub.seen[0]!.headers.authorization).toBeUndefined();
    await setup.source.locate(REVISION, { ...FILE, path: 'other.bin' }, signal);
    const { host } = new URL(hub.origin);
    // Each of the two answers says that nothing is left.
    expect(setup.holds).toEqual(Array(2).fill([`resolvers of ${host}`, 31_000]));
    expect(setup.clock.sleeps[0]).toBeGreaterThan(29_000);
    expect(notes).toEqual([
      `${new URL(mirror.origin).host} sends downloads on to ${host}: the files come from there, without the token`,
    ]);
  });

  test('straight to a storage needs no further request', async () => {
    await using mirror = await serveSeen((_, response) => {
      response.writeHead(302, { location: SIGNED }).end();
    });
    using setup = makeHubSource({ endpoint: mirror.origin });
    expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(SIGNED);
    expect(mirror.seen).toHaveLength(1);
  });

  test('that leaves its own path out of redirects is followed below it', async () => {
    const place = `/api/resolve-cache/models/o/m/${COMMIT}/model.bin?etag=%22x%22`;
    await using hub = await serveSeen((_, response) => {
      response.writeHead(307, { location: place, 'x-repo-commit': COMMIT }).end();
    });
    using setup = makeHubSource({ endpoint: `${hub.origin}/hub` });
    expect((await setup.source.locate(REVISION, FILE, signal)).url).toBe(`${hub.origin}/hub${place}`);
  });
});

describe('a refusal', () => {
  const refusedBy = async (status: number, headers: Record<string, string>, body: string, token = false) => {
    await using hub = await serveSeen((request, response) => {
      response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
    });
    using setup = makeHubSource({ endpoint: hub.origin, ...(token ? { token: TOKEN } : {}) });
    return await setup.source.locate(REVISION, FILE, signal).then(
      () => undefined,
      (error: unknown) => error as FetchError,
    );
  };

  test('of a gated repository doubts the token first, where one was sent', async () => {
    const error = await refusedBy(401, { 'x-error-code': 'GatedRepo' }, '', true);
    expect(error).toMatchObject({
      code: 'ACCESS',
      message: 'o/m is gated, and the token from --token is not accepted',
      hint: expect.stringMatching(/^Check the token first/),
    });
    const known = await refusedBy(403, { 'x-error-code': 'GatedRepo' }, '', true);
    expect(known?.hint).toMatch(/^Accept the terms/);
  });

  test('by a page that no hub sends is that of a filter', async () => {
    const page = '<!DOCTYPE html><html>Blocked by policy</html>';
    expect(await refusedBy(403, { 'content-type': 'text/html' }, page)).toMatchObject({
      code: 'NETWORK',
      status: 403,
      retryable: false,
      message: expect.stringContaining('a filter may block it'),
    });
    const ofTheHub = await refusedBy(403, { 'content-type': 'text/html', 'x-request-id': 'Root=1' }, page);
    expect(ofTheHub).toMatchObject({ code: 'ACCESS', status: 403 });
  });

  test('of a range that was never asked for is tried again', async () => {
    const error = await refusedBy(416, { 'content-range': 'bytes */177' }, '');
    expect(error).toMatchObject({ code: 'NETWORK', status: 416, retryable: true });
  });

  test('for too many requests, by a page without headers, leaves the wait to us', async () => {
    const error = await refusedBy(429, { 'content-type': 'text/html' }, `<html>${'x'.repeat(52_000)}</html>`);
    expect(error).toMatchObject({ code: 'NETWORK', status: 429, retryable: true, retryAfterMs: undefined });
  });
});

describe('an endpoint without a listing', () => {
  const sibling = { rfilename: 'a/config.json', size: 7, blobId: 'b'.repeat(40) };
  const weights = {
    rfilename: 'model.bin',
    size: 1000,
    blobId: 'c'.repeat(40),
    lfs: { sha256: 'd'.repeat(64), size: 1000, pointerSize: 130 },
  };

  const listedBy = async (status: number, siblings: unknown) => {
    const notes: string[] = [];
    await using hub = await serveSeen((request, response) => {
      if (request.url?.includes('/tree/')) response.writeHead(status).end('no such route');
      else
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ sha: COMMIT, siblings }));
    });
    using setup = makeHubSource({ endpoint: hub.origin, onNote: (note) => notes.push(note) });
    const files: RemoteFile[] = [];
    for await (const file of setup.source.list(REVISION, signal)) files.push(file);
    return { files, notes, urls: hub.seen.map(({ url }) => url) };
  };

  test.each([404, 400, 405, 501])('(%d) is read from the information about the revision', async (status) => {
    const { files, notes, urls } = await listedBy(status, [sibling, weights]);
    expect(files).toMatchObject([
      { path: 'a/config.json', size: 7, digest: { algorithm: 'git-sha1', hex: 'b'.repeat(40) } },
      { path: 'model.bin', size: 1000, digest: { algorithm: 'sha256', hex: 'd'.repeat(64) } },
    ]);
    expect(urls.at(-1)).toBe(`/api/models/o/m/revision/${COMMIT}?blobs=true`);
    expect(notes).toHaveLength(1);
  });

  test.each([[undefined], [[]], [[{ rfilename: 'a' }]]])(
    'that names no sizes either says so: %j',
    async (siblings) => {
      await expect(listedBy(404, siblings)).rejects.toMatchObject({
        code: 'NETWORK',
        message: expect.stringContaining('it has no /tree (404)'),
      });
    },
  );
});

describe('a range that is read into memory', () => {
  const CONTENT = Buffer.from('0123456789'.repeat(100));
  const PLACE = `/api/resolve-cache/models/o/m/${COMMIT}/model.bin`;

  /** What a storage answers to a request with that range; undefined for one without. */
  const readFrom = async (
    storage: (range: string | undefined) => [number, Record<string, string>, Buffer],
  ) => {
    await using hub = await serveSeen((request, response) => {
      if (request.url !== PLACE) {
        response.writeHead(307, { location: PLACE, 'x-repo-commit': COMMIT }).end();
        return;
      }
      const [status, headers, body] = storage(request.headers.range);
      response.writeHead(status, headers).end(body);
    });
    using setup = makeHubSource({ endpoint: hub.origin });
    const read = (start: number, end: number) => setup.source.read(REVISION, FILE, { start, end }, signal);
    const first = Buffer.from(await read(5, 15)).toString();
    const second = Buffer.from(await read(990, 2000)).toString();
    return {
      first,
      second,
      seen: hub.seen.map(({ method, headers }) => `${method} ${headers.range ?? '-'}`),
    };
  };

  test('is found once and asked for by its range', async () => {
    const { first, second, seen } = await readFrom((range) => {
      const [, start = 0, last = 0] = (/(\d+)-(\d+)/.exec(range ?? '') ?? []).map(Number);
      return [206, { 'content-range': `bytes ${start}-${last}/1000` }, CONTENT.subarray(start, last + 1)];
    });
    expect([first, second]).toEqual(['5678901234', '0123456789']);
    expect(seen).toEqual(['HEAD -', 'GET bytes=5-14', 'GET bytes=990-999']);
  });

  test.each([400, 416, 501])('is cut out of the whole where ranges are refused with %d', async (status) => {
    const { first, second, seen } = await readFrom((range) => {
      return range === undefined ? [200, {}, CONTENT] : [status, {}, Buffer.from('no ranges')];
    });
    expect([first, second]).toEqual(['5678901234', '0123456789']);
    expect(seen).toEqual(['HEAD -', 'GET bytes=5-14', 'HEAD -', 'GET -', 'GET -']);
  });
});
