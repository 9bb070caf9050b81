import { describe, expect, test } from 'vitest';
import { type Answer, ask } from './ask.ts';
import { bigFile, manyFiles } from './hub/fixtures/odd.ts';
import { guarded } from './hub/fixtures/various.ts';
import { type Hub, type HubOptions, startHub } from './hub/hub.ts';

const BIG = '/tests/big-file/resolve/main/model.bin';
const SMALL = '/tests/big-file/resolve/main/config.json';
const TREE = '/api/models/tests/big-file/tree/main?recursive=true';

async function start(options: Partial<HubOptions>): Promise<Hub> {
  return await startHub({ repositories: [bigFile(500_000), ...guarded()], ...options });
}

const at = (hub: Hub, path: string, method = 'GET', headers = {}): Promise<Answer> =>
  ask(`${hub.endpoint}${path}`, { method, headers });

describe('the strict hub', () => {
  test('tells only people without a token of it, on redirects to files', async () => {
    const token = { token: 'hf_reader', user: 'reader', access: 'all' } as const;
    await using hub = await start({ tokens: [token] });
    for (const [path, status] of [
      [BIG, 302],
      [SMALL, 307],
    ] as const) {
      const head = await at(hub, path, 'HEAD');
      expect([head.status, head.headers['x-hf-warning']]).toEqual([
        status,
        expect.stringMatching(/^unauthenticated; /),
      ]);
      const known = await at(hub, path, 'HEAD', { Authorization: 'Bearer hf_reader' });
      expect([known.status, known.headers['x-hf-warning']]).toEqual([status, undefined]);
    }
    expect((await at(hub, TREE)).headers['x-hf-warning']).toBeUndefined();
  });

  test('gives HEAD the length of the text that GET has, and metadata on the first hop only', async () => {
    await using hub = await start({});
    for (const path of [BIG, SMALL]) {
      const [head, get] = [await at(hub, path, 'HEAD'), await at(hub, path)];
      expect([head.status, head.body.length]).toEqual([get.status, 0]);
      expect(head.headers['content-length']).toBe(get.headers['content-length']);
      expect(get.headers['content-length']).toBe(`${get.body.length}`);
      expect(head.headers['x-linked-etag']).toBe(get.headers['x-linked-etag']);
      const last = await ask(new URL(head.headers.location ?? '', hub.origin), { method: 'HEAD' });
      expect([last.status, last.headers['x-linked-etag'], last.headers['x-linked-size']]).toEqual([
        200,
        undefined,
        undefined,
      ]);
    }
  });

  test('meters the hub in the words of the real one, and not the CDN', async () => {
    await using hub = await start({});
    const hubs = await at(hub, BIG, 'HEAD');
    expect(hubs.headers['ratelimit']).toBe('"resolvers";r=2999;t=300');
    expect(hubs.headers['ratelimit-policy']).toBe('"fixed window";"resolvers";q=3000;w=300');
    const cdns = await ask(hubs.headers.location ?? '');
    expect([cdns.headers['ratelimit'], cdns.headers['ratelimit-policy']]).toEqual([undefined, undefined]);
  });

  test('says of gated files the same to a bad token as to none, and refuses it elsewhere', async () => {
    await using hub = await start({});
    const bad = { Authorization: 'Bearer hf_old' };
    const path = '/tests/gated/resolve/main/config.json';
    const [none, some] = [await at(hub, path, 'HEAD'), await at(hub, path, 'HEAD', bad)];
    const kept = (answer: Answer): object => ({
      ...answer.headers,
      date: '',
      'x-request-id': '',
      ratelimit: '',
    });
    expect([some.status, some.headers['x-error-code']]).toEqual([401, 'GatedRepo']);
    expect(kept(some)).toEqual(kept(none));
    expect((await at(hub, path, 'GET', bad)).text).toBe((await at(hub, path)).text);
    for (const open of [BIG, TREE, '/api/models/tests/gated/tree/main']) {
      const { status, headers } = await at(hub, open, 'GET', bad);
      expect([status, headers['x-error-message']]).toEqual([
        401,
        'Invalid credentials in Authorization header',
      ]);
    }
  });

  test.each([
    ['', 1000],
    ['&limit=5000', 1000],
    ['&expand=true', 50],
    ['&expand=true&limit=100', 100],
    ['&expand=true&limit=1000', 100],
    ['&expand=true&limit=7', 7],
  ])('lists with %s at most %i entries on a page', async (query, most) => {
    await using hub = await startHub({ repositories: [manyFiles(1100)] });
    const page = await at(hub, `/api/models/tests/many-files/tree/main?recursive=true${query}`);
    expect(JSON.parse(page.text)).toHaveLength(most);
    expect(page.headers['link']).toContain('cursor=');
  });

  test('ties a cursor to its tree', async () => {
    await using hub = await startHub({ repositories: [manyFiles(30)] });
    const old = hub.repository('tests/many-files').commitOf('main').id;
    const page = (revision: string, cursor: string) =>
      at(hub, `/api/models/tests/many-files/tree/${revision}?recursive=true&limit=10${cursor}`);
    const link = /<([^>]+)>/.exec(String((await page(old, '')).headers['link']))?.[1] ?? '';
    const cursor = new URL(link).searchParams.get('cursor') ?? '';
    const [place = '', limit] = Buffer.from(cursor, 'base64').toString('utf8').split(':');
    const named = JSON.parse(Buffer.from(place, 'base64').toString('utf8')) as object;
    expect([Object.keys(named), limit]).toEqual([['file_name', 'tree_oid'], '10']);
    const asked = `&cursor=${encodeURIComponent(cursor)}`;
    expect(JSON.parse((await page(old, asked)).text)).toHaveLength(10);
    hub.repository('tests/many-files').setBranch('main', []);
    expect((await page('main', asked)).status).toBe(400);
    expect((await page(old, asked)).status).toBe(200);
  });
});
