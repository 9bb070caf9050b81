import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, askThrough } from './ask.ts';
import { MISTRAL_GPTQ, mistralGptq } from './hub/fixtures/mistral-gptq.ts';
import { hostileNames, manyFiles, oddNames } from './hub/fixtures/odd.ts';
import { demoSpace, gpt2, guarded, manyRevisions, squad } from './hub/fixtures/various.ts';
import { type Hub, startHub } from './hub/hub.ts';
import { xetFile } from './hub/repositories/file.ts';

const READER = { Authorization: 'Bearer hf_reader' };
const STRANGER = { Authorization: 'Bearer hf_stranger' };
const REVISIONS = 'tests/revisions';

let hub: Hub;
const url = (path: string): string => `${hub.origin}${path}`;

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      mistralGptq(),
      oddNames(),
      manyFiles(120),
      manyRevisions(),
      squad(),
      demoSpace(),
      gpt2(),
      hostileNames(['../up.txt', 'a\\..\\b', 'line\nbreak', '\u001b[31mred', 'C:\\x']),
      ...guarded(),
    ],
    tokens: [
      { token: 'hf_reader', user: 'reader', access: 'all' },
      { token: 'hf_stranger', user: 'stranger', access: [] },
    ],
  });
});

afterAll(() => hub.close());

async function json<T>(path: string, headers: Record<string, string> = {}): Promise<T> {
  const answer = await ask(url(path), { headers });
  expect(answer.status, `${path}: ${answer.text}`).toBe(200);
  return JSON.parse(answer.text) as T;
}

describe('revisions', () => {
  const commit = (revision: string): string => hub.repository(REVISIONS).commitOf(revision).id;

  test.each([
    ['main', 'main'],
    ['HEAD', 'main'],
    ['v1.0', 'main'],
    ['gptq%2F8bit', 'gptq/8bit'],
    ['refs%2Fpr%2F1', 'refs/pr/1'],
    ['refs/pr/1', 'refs/pr/1'],
  ])('%s is found', async (written, revision) => {
    const info = await json<{ sha: string }>(`/api/models/${REVISIONS}/revision/${written}`);
    expect(info.sha).toBe(commit(revision));
    const head = await ask(url(`/${REVISIONS}/resolve/${written}/README.md`), { method: 'HEAD' });
    expect(head.headers['x-repo-commit']).toBe(commit(revision));
  });

  test('full and short commits', async () => {
    for (const length of [40, 8, 7]) {
      const info = await json<{ sha: string }>(
        `/api/models/${REVISIONS}/revision/${commit('main').slice(0, length)}`,
      );
      expect(info.sha).toBe(commit('main'));
    }
  });

  test('the four lists of refs', async () => {
    const refs = await json<Record<string, unknown[]>>(`/api/models/${REVISIONS}/refs?include_prs=1`);
    expect(refs).toEqual({
      tags: [{ name: 'v1.0', ref: 'refs/tags/v1.0', targetCommit: commit('v1.0') }],
      branches: [
        { name: 'main', ref: 'refs/heads/main', targetCommit: commit('main') },
        { name: 'gptq/8bit', ref: 'refs/heads/gptq/8bit', targetCommit: commit('gptq/8bit') },
      ],
      converts: [],
      pullRequests: [{ name: '1', ref: 'refs/pr/1', targetCommit: commit('refs/pr/1') }],
    });
    expect(Object.keys(await json(`/api/models/${REVISIONS}/refs`))).not.toContain('pullRequests');
    const converts = await json<{ converts: { ref: string }[] }>('/api/datasets/tests/squad/refs');
    expect(converts.converts.map(({ ref }) => ref)).toEqual(['refs/convert/parquet']);
  });

  test('expand gives the asked fields and refuses unknown ones', async () => {
    const info = await json<object>(`/api/models/${REVISIONS}?expand=sha&expand=gated`);
    expect(Object.keys(info)).toEqual(['_id', 'id', 'sha', 'gated']);
    const refused = await ask(url(`/api/models/${REVISIONS}?expand=nonsense`));
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text)).toHaveProperty('error');
  });
});

describe('listings', () => {
  interface Entry {
    readonly type: string;
    readonly path: string;
    readonly oid: string;
    readonly lfs?: { readonly oid: string; readonly pointerSize: number };
    readonly xetHash?: string;
  }

  test('pages with absolute links until the end, directories among the files', async () => {
    const entries: Entry[] = [];
    let next: string | undefined = url('/api/models/tests/many-files/tree/main?recursive=true&limit=50');
    while (next !== undefined) {
      const page = await ask(next);
      const found = JSON.parse(page.text) as Entry[];
      expect(found.length).toBeLessThanOrEqual(50);
      entries.push(...found);
      next = /^<([^>]+)>; rel="next"$/.exec(String(page.headers['link'] ?? ''))?.[1];
      if (next !== undefined) expect(next.startsWith(`${hub.origin}/api/models/`)).toBe(true);
    }
    expect(entries.filter((entry) => entry.type === 'file')).toHaveLength(120);
    expect(entries.filter((entry) => entry.type === 'directory').length).toBeGreaterThan(7);
    expect(new Set(entries.map((entry) => entry.path)).size).toBe(entries.length);
  });

  test('a directory, written with either slash; a file or nothing is no directory', async () => {
    for (const directory of ['deep/er', 'deep%2Fer']) {
      const entries = await json<Entry[]>(`/api/models/tests/odd-names/tree/main/${directory}`);
      expect(entries.map((entry) => entry.path)).toEqual(['deep/er/and']);
    }
    const missing = await ask(url('/api/models/tests/odd-names/tree/main/.hidden'));
    expect(missing.status).toBe(404);
    expect(missing.headers['x-error-code']).toBe('EntryNotFound');
  });

  test('entries describe storage, and paths-info agrees for both kinds of body', async () => {
    const entries = await json<Entry[]>(`/api/models/${MISTRAL_GPTQ}/tree/main?recursive=true`);
    const weights = entries.find((entry) => entry.path === 'model.safetensors');
    const truth = (await hub.truth(MISTRAL_GPTQ)).find((file) => file.path === 'model.safetensors');
    expect(weights?.lfs?.oid).toBe(truth?.sha256);
    expect(weights?.xetHash).toMatch(/^[0-9a-f]{64}$/);
    expect(weights?.xetHash).not.toBe(truth?.sha256);
    const pointer = await ask(url(`/${MISTRAL_GPTQ}/raw/main/model.safetensors`));
    expect(pointer.body.length).toBe(weights?.lfs?.pointerSize);
    expect(
      createHash('sha1').update(`blob ${pointer.body.length}\0`).update(pointer.body).digest('hex'),
    ).toBe(weights?.oid);

    const address = url(`/api/models/${MISTRAL_GPTQ}/paths-info/main`);
    const bodies = [
      ['application/x-www-form-urlencoded', 'paths=model.safetensors&paths=nothing&expand=false'],
      ['application/json', '{"paths":["model.safetensors","nothing"],"expand":false}'],
    ] as const;
    for (const [type, body] of bodies) {
      const answer = await ask(address, { method: 'POST', headers: { 'Content-Type': type }, body });
      expect(JSON.parse(answer.text)).toEqual([weights]);
    }
  });

  test('identical small files keep their id across branches', async () => {
    const ids = async (branch: string): Promise<Map<string, string>> => {
      const entries = await json<Entry[]>(`/api/models/${MISTRAL_GPTQ}/tree/${branch}?recursive=true`);
      return new Map(entries.map((entry) => [entry.path, entry.oid]));
    };
    const [main, other] = await Promise.all([ids('main'), ids('gptq-8bit-32g-actorder_True')]);
    expect(main.get('tokenizer.json')).toBe(other.get('tokenizer.json'));
    expect(main.get('quantize_config.json')).not.toBe(other.get('quantize_config.json'));
  });
});

describe('files', () => {
  test('a small file: 307 on the same host, metadata on the first hop', async () => {
    const first = await ask(url('/tests/odd-names/resolve/main/sub%20dir/a%23b%25c%3F.txt'), {
      method: 'HEAD',
    });
    expect(first.status).toBe(307);
    expect(first.headers.location).toMatch(/^\/api\/resolve-cache\/models\/tests\/odd-names\/[0-9a-f]{40}\//);
    expect(first.headers['x-linked-etag']).toMatch(/^"[0-9a-f]{40}"$/);
    expect(first.headers['x-linked-size']).toBeUndefined();
    const second = await ask(url(first.headers.location ?? ''));
    expect(second.text).toBe('nested\n');
    expect(second.headers.etag).toBe(first.headers['x-linked-etag']);
    expect(second.headers['x-repo-commit']).toBe(first.headers['x-repo-commit']);
  });

  test('every odd name arrives with its own content', async () => {
    for (const file of await hub.truth('tests/odd-names')) {
      const path = file.path.split('/').map(encodeURIComponent).join('/');
      const answer = await askThrough(url(`/tests/odd-names/resolve/main/${path}`), { headers: READER });
      expect(answer.status, file.path).toBe(200);
      expect(answer.body.equals(await file.bytes()), file.path).toBe(true);
    }
    expect(hub.log.tokenLeaks()).toEqual([]);
  });

  test('a big file: signed 302 to another origin, whose etag is not the sha256', async () => {
    const head = await ask(url(`/${REVISIONS}/resolve/main/model.safetensors`));
    expect(head.status).toBe(302);
    const [truth] = (await hub.truth(REVISIONS)).filter((file) => file.storage === 'xet');
    expect(head.headers['x-linked-etag']).toBe(`"${truth?.sha256}"`);
    expect(head.headers['x-linked-size']).toBe('100000');
    expect(Number(head.headers['content-length'])).toBeLessThan(2000);
    expect(head.headers['link']).toMatch(/rel="xet-auth", <.*>; rel="xet-reconstruction-info"$/);
    const location = new URL(head.headers.location ?? '');
    expect(location.origin).toBe(hub.cdnOrigin);
    expect(location.searchParams.has('Expires')).toBe(true);

    const part = await ask(location, { headers: { Range: 'bytes=1000-1999' } });
    expect(part.status).toBe(206);
    expect(part.headers['content-range']).toBe('bytes 1000-1999/100000');
    expect(part.body.equals((await truth?.bytes())?.subarray(1000, 2000) ?? Buffer.alloc(0))).toBe(true);
    expect(part.headers.etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect(part.headers.etag).not.toBe(head.headers['x-linked-etag']);
    expect(part.headers['x-repo-commit']).toBeUndefined();

    const past = await ask(location, { headers: { Range: 'bytes=100000-' } });
    expect([past.status, past.headers['content-range']]).toEqual([416, 'bytes */100000']);
    const leaked = await ask(location, { headers: STRANGER });
    expect(leaked.status).toBe(400);
    expect(hub.log.tokenLeaks()).toHaveLength(1);
    location.searchParams.set('Signature', 'x');
    expect((await ask(location)).status).toBe(403);
    hub.log.clear();
  });

  test('the storage may be elsewhere: the redirect leads to that origin, under the same path', async () => {
    const path = `/${MISTRAL_GPTQ}/resolve/main/tokenizer.model`;
    const own = new URL((await ask(url(path), { method: 'HEAD' })).headers.location ?? '');
    hub.settings.cdnBase = 'https://127.0.0.1:4433';
    const elsewhere = new URL((await ask(url(path), { method: 'HEAD' })).headers.location ?? '');
    hub.settings.cdnBase = undefined;
    expect(own.origin).toBe(hub.cdnOrigin);
    expect(elsewhere.origin).toBe('https://127.0.0.1:4433');
    expect(elsewhere.pathname).toBe(own.pathname);
  });

  test('a signed URL ends, and the CDN says so without a code of the Hub', async () => {
    hub.settings.signedUrlSeconds = -1;
    const { headers } = await ask(url(`/${REVISIONS}/resolve/main/model.safetensors`));
    hub.settings.signedUrlSeconds = 3600;
    const expired = await ask(headers.location ?? '', { headers: { Range: 'bytes=0-' } });
    expect(expired.status).toBe(403);
    expect(expired.headers['x-error-code']).toBeUndefined();
    expect(expired.text).toContain('<Error>');
  });

  test('the CDN refuses very big files without a range', async () => {
    const repository = hub.repository(REVISIONS);
    repository.changeFile('gptq/8bit', 'model.safetensors', (file) => ({ ...file, huge: true }));
    const { headers } = await ask(url(`/${REVISIONS}/resolve/gptq%2F8bit/model.safetensors`));
    expect((await ask(headers.location ?? '')).text).toBe('<h1>400</h1>');
    expect((await ask(headers.location ?? '', { headers: { Range: 'bytes=0-' } })).status).toBe(206);
  });

  test('mirrors answer directly', async () => {
    hub.settings.directAnswers = true;
    const answer = await ask(url(`/${REVISIONS}/resolve/main/model.safetensors`), {
      headers: { Range: 'bytes=0-0' },
    });
    hub.settings.directAnswers = false;
    expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 0-0/100000']);
    expect(answer.headers.etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect(answer.headers['x-repo-commit']).toMatch(/^[0-9a-f]{40}$/);
  });

  test('text is compressed for clients that accept it, never a range', async () => {
    const path = url(`/${MISTRAL_GPTQ}/resolve/main/config.json`);
    const packed = await askThrough(path, { headers: { 'Accept-Encoding': 'gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(packed.headers['content-length']).toBeUndefined();
    expect(packed.headers.etag).toMatch(/^W\/"/);
    const plain = await askThrough(path, { headers: { 'Accept-Encoding': 'identity' } });
    expect(plain.headers['content-length']).toBe(String(plain.body.length));
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    const part = await askThrough(path, { headers: { 'Accept-Encoding': 'gzip', Range: 'bytes=0-4' } });
    expect([part.status, part.headers['content-encoding']]).toEqual([206, undefined]);
  });

  test('hostile names are listed as they are', async () => {
    const entries = await json<{ path: string }[]>(
      '/api/models/tests/hostile-names/tree/main?recursive=true',
    );
    expect(entries.map((entry) => entry.path)).toContain('../up.txt');
    const odd = await askThrough(url('/tests/hostile-names/resolve/main/line%0Abreak'));
    expect(odd.text).toBe('content of "line\\nbreak"\n');
  });
});

describe('access', () => {
  const cases: [string, string, Record<string, string>, number, string | undefined][] = [
    ['missing, anonymous', '/api/models/tests/nowhere', {}, 401, undefined],
    ['missing, with a token', '/api/models/tests/nowhere', READER, 404, 'RepoNotFound'],
    ['private, anonymous', '/api/models/tests/private/tree/main', {}, 401, undefined],
    ['private, stranger', '/api/models/tests/private/tree/main', STRANGER, 404, 'RepoNotFound'],
    ['private, reader', '/api/models/tests/private/tree/main', READER, 200, undefined],
    ['unknown token', '/api/models/tests/revisions', { Authorization: 'Bearer hf_old' }, 401, undefined],
    ['unknown revision', '/api/models/tests/revisions/revision/nope', {}, 404, 'RevisionNotFound'],
    ['unknown file', '/tests/revisions/resolve/main/nope.txt', {}, 404, 'EntryNotFound'],
    ['gated listing', '/api/models/tests/gated/tree/main', {}, 200, undefined],
    ['gated file, anonymous', '/tests/gated/resolve/main/config.json', {}, 401, 'GatedRepo'],
    ['gated file, stranger', '/tests/gated/resolve/main/config.json', STRANGER, 403, 'GatedRepo'],
    ['gated file, reader', '/tests/gated/resolve/main/config.json', READER, 307, undefined],
    ['disabled', '/tests/disabled/resolve/main/config.json', {}, 403, undefined],
    ['disabled, described', '/api/models/tests/disabled', {}, 200, undefined],
    ['nobody', '/api/whoami-v2', {}, 401, undefined],
    ['somebody', '/api/whoami-v2', READER, 200, undefined],
    ['space', '/api/spaces/tests/demo/revision/main', {}, 200, undefined],
    ['dataset file', '/datasets/tests/squad/resolve/main/data/train.jsonl', {}, 302, undefined],
    [
      'converted',
      '/datasets/tests/squad/resolve/refs%2Fconvert%2Fparquet/default/train/0000.parquet',
      {},
      302,
      undefined,
    ],
    ['read token, without a store', '/api/models/tests/revisions/xet-read-token/main', {}, 404, undefined],
    ['broken encoding', '/tests/revisions/resolve/main/%E0%A4', {}, 404, undefined],
  ];
  test.each(cases)('%s', async (_name, path, headers, status, code) => {
    const answer = await ask(url(path), { headers });
    expect([answer.status, answer.headers['x-error-code']]).toEqual([status, code]);
    expect(answer.headers['ratelimit']).toMatch(/^"(api|resolvers|pages)";r=\d+;t=\d+$/);
    expect(answer.headers['ratelimit-policy']).toMatch(/^"fixed window";"\w+";q=\d+;w=300$/);
    expect(answer.headers['x-request-id']).toBeDefined();
    if (code === 'EntryNotFound') expect(answer.headers['x-repo-commit']).toMatch(/^[0-9a-f]{40}$/);
  });

  test('a renamed repository and a wrong case are redirected with their query and nothing else', async () => {
    const pairs = [
      ['/api/models/gpt2?expand=sha', '/api/models/openai-community/gpt2?expand=sha'],
      [
        '/api/models/gpt2/tree/main?recursive=true',
        '/api/models/openai-community/gpt2/tree/main?recursive=true',
      ],
      ['/gpt2/resolve/main/config.json?a=b', '/openai-community/gpt2/resolve/main/config.json?a=b'],
      ['/OpenAI-community/GPT2/resolve/main/config.json', '/openai-community/gpt2/resolve/main/config.json'],
    ] as const;
    for (const [asked, location] of pairs) {
      const answer = await ask(url(asked));
      expect([answer.status, answer.headers.location]).toEqual([307, location]);
      expect(answer.headers['x-repo-commit']).toBeUndefined();
      expect(answer.text).toBe(`Temporary Redirect. Redirecting to ${location}`);
    }
  });

  test('an unknown token may be ignored where none is needed', async () => {
    hub.settings.invalidTokenOnPublic = 'ignore';
    const headers = { Authorization: 'Bearer hf_old' };
    const open = await ask(url('/api/models/tests/revisions'), { headers });
    const closed = await ask(url('/api/models/tests/private'), { headers });
    hub.settings.invalidTokenOnPublic = 'refuse';
    expect([open.status, closed.status]).toEqual([200, 401]);
  });

  test('every answer waits for the latency', async () => {
    hub.settings.latencyMs = 80;
    const answer = await ask(url('/api/models/tests/revisions'));
    hub.settings.latencyMs = 0;
    expect(answer.tookMs).toBeGreaterThan(78);
  });

  test('a strict quota refuses in the end', async () => {
    const strict = await startHub({ repositories: [gpt2()], quotas: { resolvers: 2 } });
    const path = `${strict.origin}/openai-community/gpt2/resolve/main/config.json`;
    const statuses = [];
    for (let index = 0; index < 3; index += 1) statuses.push((await ask(path)).status);
    expect(statuses).toEqual([307, 307, 429]);
    expect((await ask(path)).headers['ratelimit']).toMatch(/^"resolvers";r=0;t=\d+$/);
    await strict.close();
  });
});

test('a branch moves, its old commit stays', async () => {
  const repository = hub.repository(REVISIONS);
  const before = repository.commitOf('main').id;
  repository.changeFile('main', 'model.safetensors', (file) => xetFile(file.path, 'new weights'));
  const after = repository.commitOf('main').id;
  expect(after).not.toBe(before);
  const old = await askThrough(url(`/${REVISIONS}/resolve/${before}/model.safetensors`));
  const moved = await askThrough(url(`/${REVISIONS}/resolve/main/model.safetensors`));
  expect([old.body.length, moved.text]).toEqual([100_000, 'new weights']);
  repository.deleteBranch('gptq/8bit');
  expect((await ask(url(`/api/models/${REVISIONS}/revision/gptq%2F8bit`))).status).toBe(404);
});
