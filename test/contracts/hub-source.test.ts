import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import { pinnedRevision, type RepoRef, type Revision } from '../../src/model/repo.ts';
import { generated } from '../support/hub/content/content.ts';
import type { JsonShape, RateLimitStyle } from '../support/hub/faults/effect.ts';
import { manyFiles, oddNames } from '../support/hub/fixtures/odd.ts';
import { demoSpace, gpt2, guarded, squad } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../support/hub/repositories/repository.ts';
import { DEFAULT_SETTINGS } from '../support/hub/settings.ts';
import { type HubSourceOptions, makeHubSource, serveBehind } from '../support/hub-source.ts';
import { serveHttp } from '../support/server.ts';
import { listed, refusalOf, sourceContract } from './source.contract.ts';

const TOKEN = 'hf_topsecretreader';
const STRANGER = 'hf_topsecretstranger';
const READER = { value: TOKEN, origin: 'HF_TOKEN' };
const signal = new AbortController().signal;
const model = (id: string): RepoRef => ({ type: 'model', id });

function everything(): RepositoryDescription {
  const about = (text: string) => gitFile('README.md', `# ${text}\n`);
  const nested = (text: string) => [
    gitFile('a/b/c.txt', text),
    gitFile('empty.txt', ''),
    lfsFile('a/lfs.bin', generated(`lfs ${text}`, 50_001)),
    xetFile('model.safetensors', generated(`xet ${text}`, 70_003)),
  ];
  return {
    id: 'tests/everything',
    branches: {
      main: [about('main'), ...nested('main')],
      'gptq-4bit-32g-actorder_True': [about('32g'), ...nested('32g')],
      'gptq-8bit-128g-actorder_False': [about('128g')],
      'gptq/8bit': [about('slash'), ...nested('slash')],
    },
    tags: { 'v1.0': 'main' },
    pullRequests: { 7: [about('pull request')] },
  };
}

let hub: Hub;

async function start(): Promise<Hub> {
  return await startHub({
    repositories: [everything(), manyFiles(1200), oddNames(), gpt2(), squad(), demoSpace(), ...guarded()],
    tokens: [
      { token: TOKEN, user: 'reader', access: 'all' },
      { token: STRANGER, user: 'stranger', access: [] },
    ],
  });
}

beforeAll(async () => {
  hub = await start();
});

afterAll(() => hub.close());

beforeEach(() => {
  hub.faults.clear();
  hub.log.clear();
  Object.assign(hub.settings, DEFAULT_SETTINGS);
});

const setUp = (options: Partial<HubSourceOptions> = {}) =>
  makeHubSource({ endpoint: hub.origin, ...options });

sourceContract('HubSource', async () => {
  const own = await start();
  // No stall limit may end what an abort is to end.
  const setup = makeHubSource({ endpoint: own.origin, stallTimeoutMs: 60_000 });
  const repository = own.repository('tests/everything');
  const commit = repository.commitOf('main').id;
  const slash = repository.commitOf('gptq/8bit').id;
  return {
    source: setup.source,
    repo: model('tests/everything'),
    missingRepo: model('tests/nothing'),
    revisions: [
      { name: 'main', id: commit },
      { name: 'gptq/8bit', id: slash },
      { name: 'gptq-4bit-32g-actorder_True', id: repository.commitOf('gptq-4bit-32g-actorder_True').id },
      { name: 'v1.0', id: commit },
      { name: 'refs/pr/7', id: repository.commitOf('refs/pr/7').id },
      { name: slash, id: slash },
      { name: slash.slice(0, 8), id: slash },
    ],
    refs: [
      { kind: 'branch', name: 'main' },
      { kind: 'branch', name: 'gptq-4bit-32g-actorder_True' },
      { kind: 'branch', name: 'gptq-8bit-128g-actorder_False' },
      { kind: 'branch', name: 'gptq/8bit' },
      { kind: 'tag', name: 'v1.0' },
    ],
    truth: (revision) => own.truth('tests/everything', revision),
    requests: () => own.log.entries.length,
    failNext: (times) => void own.faults.add({ on: 'any', times, effect: { kind: 'status', status: 503 } }),
    // A request that is late, on a busy machine, must not take the stall of the next one away.
    stallNext: () =>
      void own.faults.add({ on: 'any', times: 'always', effect: { kind: 'stall', at: 'before-head' } }),
    async [Symbol.asyncDispose]() {
      setup[Symbol.dispose]();
      await own.close();
    },
  };
});

test('a revision that is pinned to no commit is not listed', async () => {
  using setup = setUp();
  const revision = pinnedRevision(model('tests/everything'), 'main', `sha256:${'d'.repeat(64)}`);
  expect(await refusalOf(listed(setup.source, revision))).toMatchObject({ code: 'NOT_FOUND' });
  expect(hub.log.count()).toBe(0);
});

describe('resolve', () => {
  test('asks once, for the revision and for little about it', async () => {
    using setup = setUp();
    await setup.source.resolve(model('tests/everything'), 'gptq/8bit', signal);
    expect(hub.log.entries).toHaveLength(1);
    expect(hub.log.entries[0]).toMatchObject({
      kind: 'revision',
      url: '/api/models/tests/everything/revision/gptq%2F8bit',
      acceptEncoding: 'identity',
      userAgent: 'fetch-test/1',
      authorization: 'none',
    });
  });

  test.each<RepoRef>([
    { type: 'dataset', id: 'tests/squad' },
    { type: 'space', id: 'tests/demo' },
  ])('knows $type repositories', async (repo) => {
    using setup = setUp();
    const revision = await setup.source.resolve(repo, 'main', signal);
    expect(revision).toMatchObject({ repo, gated: false });
    expect(await listed(setup.source, revision)).toHaveLength(
      (await hub.truth(repo.id, 'main', repo.type)).length,
    );
  });

  test('brings the names of files along, where that was asked for', async () => {
    using setup = setUp({ withNames: true });
    const revision = await setup.source.resolve(
      model('tests/everything'),
      'gptq-4bit-32g-actorder_True',
      signal,
    );
    const names = (await listed(setup.source, revision)).map(({ path }) => path);
    expect(setup.source.namesOf(revision).toSorted()).toEqual(names.toSorted());
    expect(names).toContain('a/lfs.bin');
    expect(hub.log.count({ kind: 'revision' })).toBe(1);
  });

  test.each<[string, RepoRef, Partial<HubSourceOptions>, number]>([
    ['was not asked for them', model('tests/everything'), {}, 1],
    [
      'has a dataset, which may have very many',
      { type: 'dataset', id: 'tests/squad' },
      { withNames: true },
      1,
    ],
    ['refuses the question', model('tests/everything'), { withNames: true }, 2],
  ])('brings no names where the hub %s', async (why, repo, options, requests) => {
    if (why.startsWith('refuses')) hub.settings.siblings = 'none';
    using setup = setUp(options);
    const revision = await setup.source.resolve(repo, 'main', signal);
    expect(setup.source.namesOf(revision)).toEqual([]);
    expect(hub.log.count({ kind: 'revision' })).toBe(requests);
  });

  test.each<[string, unknown]>([
    ['too many', Array.from({ length: 1001 }, (_, number) => ({ rfilename: `${number}.bin` }))],
    ['no list', { rfilename: 'model.bin' }],
    ['no names', [{ rfilename: 7 }, null, 'model.bin']],
  ])('takes %s for no names', async (_what, siblings) => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ id: 'o/m', sha: 'a'.repeat(40), siblings }));
    });
    using setup = makeHubSource({ endpoint: server.origin, withNames: true });
    expect(setup.source.namesOf(await setup.source.resolve(model('o/m'), 'main', signal))).toEqual([]);
  });

  test('finds a converted branch', async () => {
    using setup = setUp();
    const repo: RepoRef = { type: 'dataset', id: 'tests/squad' };
    const revision = await setup.source.resolve(repo, 'refs/convert/parquet', signal);
    expect((await listed(setup.source, revision)).map((file) => file.path)).toEqual([
      'default/train/0000.parquet',
    ]);
  });

  test.each(['gpt2', 'OpenAI-Community/GPT2'])('follows %s to its present name', async (id) => {
    using setup = setUp({ token: READER });
    const revision = await setup.source.resolve(model(id), 'main', signal);
    expect(revision.repo).toEqual(model('openai-community/gpt2'));
    hub.log.clear();
    expect(await listed(setup.source, revision)).toHaveLength(2);
    expect(hub.log.count()).toBe(1);
  });

  test('says that a repository is gated, which its listing does not', async () => {
    using setup = setUp();
    const revision = await setup.source.resolve(model('tests/gated'), 'main', signal);
    expect(revision.gated).toBe(true);
    expect(await listed(setup.source, revision)).toHaveLength(2);
  });

  test.each([
    ['no commit', { id: 'tests/x' }, 'main'],
    ['a malformed commit', { id: 'tests/x', sha: 'abc' }, 'main'],
    ['a number for a commit', { id: 'tests/x', sha: 17 }, 'main'],
  ])('refuses %s', async (_, answer, revision) => {
    await using server = await serveHttp((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    using setup = setUp({ endpoint: server.origin });
    const error = await refusalOf(setup.source.resolve(model('tests/x'), revision, signal));
    expect(error).toMatchObject({ code: 'NETWORK', hint: expect.any(String) });
  });

  test.each(['..', '../..', 'a/..', './b', 'a/b/c', '/etc', 'a b', '', 'a/', 17, null])(
    'does not believe that a repository is called %j',
    async (id) => {
      const sha = 'A'.repeat(40);
      await using server = await serveHttp((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id, sha }));
      });
      using setup = setUp({ endpoint: server.origin });
      expect(await setup.source.resolve(model('tests/x'), 'main', signal)).toMatchObject({
        repo: model('tests/x'),
        id: 'a'.repeat(40),
      });
    },
  );

  test.each([
    ['gptq-4bit-32g-actorder_Tru', 'Nearest: gptq-4bit-32g-actorder_True'],
    ['4bit-32g', 'Nearest: gptq-4bit-32g-actorder_True'],
    ['Main', 'Nearest: main'],
    ['zzzzzzzzzzzzzzzzzzzzzzzzzzzzz', 'There are: main, gptq-4bit'],
  ])('answers the mistyped %s with %s', async (asked, hint) => {
    using setup = setUp();
    expect(await refusalOf(setup.source.resolve(model('tests/everything'), asked, signal))).toMatchObject({
      code: 'NOT_FOUND',
      status: 404,
      message: `tests/everything has no branch, tag or commit "${asked}"`,
      hint: expect.stringContaining(hint),
    });
  });

  test('answers a mistyped branch of a mirror without error codes too', async () => {
    hub.faults.add({ on: 'revision', effect: { kind: 'status', status: 404, body: 'not found' } });
    using setup = setUp();
    expect(await refusalOf(setup.source.resolve(model('tests/everything'), 'mian', signal))).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('Nearest: main'),
    });
  });

  test('gives the first answer when the branches cannot be had', async () => {
    hub.faults.add({ on: 'refs', times: 'always', effect: { kind: 'status', status: 500 } });
    using setup = setUp();
    expect(await refusalOf(setup.source.resolve(model('tests/everything'), 'mian', signal))).toMatchObject({
      code: 'NOT_FOUND',
      message: 'tests/everything has no revision "mian"',
    });
  });
});

describe('list', () => {
  const pin = (id: string, revision = 'main'): Revision => ({
    repo: model(id),
    name: revision,
    id: hub.repository(id).commitOf(revision).id,
    gated: false,
  });

  test.each([
    [1000, false],
    [100, false],
    [100, true],
  ])('brings more than 1000 files in pages of %d (links to elsewhere: %s)', async (pageSize, leakLinks) => {
    Object.assign(hub.settings, { pageSize, leakLinks });
    // Hashed before, so that a busy hub does not answer too late.
    await hub.truth('tests/many-files');
    const hosts = new Set<string>();
    using setup = setUp({ token: READER, trace: ({ url }) => hosts.add(url.origin) });
    const files = await listed(setup.source, pin('tests/many-files'));
    expect(new Set(files.map((file) => file.path)).size).toBe(1200);
    expect(files).toHaveLength(1200);
    expect(hosts).toEqual(new Set([hub.origin]));
    expect(hub.log.count({ kind: 'tree' })).toBe(Math.ceil((1200 + 98) / pageSize));
    expect(hub.log.entries.every((entry) => entry.authorization === 'valid')).toBe(true);
  });

  test('is not endless when a page leads to itself', async () => {
    hub.settings.pageSize = 10;
    hub.faults.add({ on: 'tree', after: 1, times: 'always', effect: { kind: 'repeated-cursor' } });
    using setup = setUp();
    expect(await refusalOf(listed(setup.source, pin('tests/many-files')))).toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('never ends'),
      hint: expect.any(String),
    });
    expect(hub.log.count()).toBeLessThan(5);
  });

  test.each<[JsonShape, string]>([
    ['malformed', 'broken JSON'],
    ['truncated', 'broken JSON'],
    ['html', 'a page of HTML'],
    ['empty', 'broken JSON'],
    ['wrong-type', 'JSON of another kind'],
  ])('asks again for an answer that is %s, then names it', async (shape, words) => {
    using setup = setUp();
    hub.faults.add({ on: 'tree', times: 3, effect: { kind: 'json', shape } });
    expect(await listed(setup.source, pin('tests/everything'))).toHaveLength(5);
    expect(setup.retried).toHaveLength(3);

    hub.faults.add({ on: 'tree', times: 'always', effect: { kind: 'json', shape } });
    hub.log.clear();
    expect(await refusalOf(listed(setup.source, pin('tests/everything')))).toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(new RegExp(`answered with ${words}.*gave up after 4 tries`)),
      hint: expect.stringContaining('endpoint'),
    });
    expect(hub.log.count()).toBe(4);
  });

  test.each([
    ['an entry that is not an object', ['README.md']],
    ['a file without a path', [{ type: 'file', size: 1, oid: 'a'.repeat(40) }]],
    ['a size that is text', [{ type: 'file', path: 'a', size: '1', oid: 'a'.repeat(40) }]],
    ['a negative size', [{ type: 'file', path: 'a', size: -1, oid: 'a'.repeat(40) }]],
    ['a broken size', [{ type: 'file', path: 'a', size: 1.5, oid: 'a'.repeat(40) }]],
    ['no size', [{ type: 'file', path: 'a', lfs: { size: null, oid: 'a'.repeat(64) } }]],
  ])('names %s', async (_, answer) => {
    await using server = await serveHttp((_request, response) => void response.end(JSON.stringify(answer)));
    using setup = setUp({ endpoint: server.origin });
    expect(await refusalOf(listed(setup.source, pin('tests/everything')))).toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('the hub lists'),
    });
  });

  test('takes the hash of the content, not that of its pointer, and none that is unknown', async () => {
    const [sha1, sha256] = ['a'.repeat(40), 'B'.repeat(64)];
    const answer = [
      { type: 'directory', path: 'd', oid: sha1, size: 0 },
      { type: 'unknown', path: 'u', oid: sha1, size: 0 },
      { type: 'file', path: 'git', oid: sha1.toUpperCase(), size: 1 },
      {
        type: 'file',
        path: 'lfs',
        oid: sha1,
        size: 134,
        lfs: { oid: sha256, size: 9_000_000_000, pointerSize: 134 },
        xetHash: 'c'.repeat(64),
      },
      { type: 'file', path: 'prefixed', oid: sha1, size: 2, lfs: { oid: `sha256:${sha256}`, size: 2 } },
      { type: 'file', path: 'mirror', oid: '12345-10', size: 3 },
      { type: 'file', path: 'none', size: 4, lfs: null },
    ];
    await using server = await serveHttp((_request, response) => void response.end(JSON.stringify(answer)));
    using setup = setUp({ endpoint: server.origin });
    const hex = 'b'.repeat(64);
    expect(await listed(setup.source, pin('tests/everything'))).toEqual([
      { path: 'git', size: 1, digest: { algorithm: 'git-sha1', hex: sha1 } },
      {
        path: 'lfs',
        size: 9_000_000_000,
        digest: { algorithm: 'sha256', hex },
        pointer: { oid: sha1, xetHash: 'c'.repeat(64) },
      },
      {
        path: 'prefixed',
        size: 2,
        digest: { algorithm: 'sha256', hex },
        pointer: { oid: sha1, xetHash: undefined },
      },
      { path: 'mirror', size: 3, digest: undefined },
      { path: 'none', size: 4, digest: undefined },
    ]);
  });
});

describe('refusals are told apart', () => {
  const resolve = (id: string, options: Partial<HubSourceOptions> = {}) => {
    using setup = setUp(options);
    return refusalOf(setup.source.resolve(model(id), 'main', signal));
  };

  const firstFile = async (id: string, options: Partial<HubSourceOptions> = {}) => {
    using setup = setUp(options);
    const revision: Revision = {
      repo: model(id),
      name: 'main',
      id: hub.repository(id).commitOf('main').id,
      gated: false,
    };
    const file: RemoteFile = { path: 'config.json', size: 3, digest: undefined };
    return await refusalOf(setup.source.locate(revision, file, signal));
  };

  const stranger = { value: STRANGER, origin: '--token' };

  test('missing or private: without a token the hub does not say which', async () => {
    for (const id of ['tests/nothing', 'tests/private']) {
      expect(await resolve(id)).toMatchObject({
        code: 'ACCESS',
        status: 401,
        message: `${id} does not exist, or it is private: without a token the hub does not say`,
        hint: expect.stringContaining('HF_TOKEN'),
      });
    }
  });

  test('missing or private for a token', async () => {
    for (const id of ['tests/nothing', 'tests/private']) {
      expect(await resolve(id, { token: stranger })).toMatchObject({
        code: 'NOT_FOUND',
        status: 404,
        message: expect.stringContaining('the token from --token'),
        hint: expect.stringContaining(`${hub.origin}/${id}`),
      });
    }
    using setup = setUp({ token: READER });
    await setup.source.resolve(model('tests/private'), 'main', signal);
  });

  test('gated without a token, and for one that was not let in', async () => {
    expect(await firstFile('tests/gated')).toMatchObject({
      code: 'ACCESS',
      status: 401,
      message: 'tests/gated is gated: its terms must be accepted first',
      hint: expect.stringContaining('HF_TOKEN'),
    });
    expect(await firstFile('tests/gated', { token: stranger })).toMatchObject({
      code: 'ACCESS',
      status: 403,
      hint: expect.stringContaining('the token from --token'),
    });
  });

  test('disabled', async () => {
    expect(await firstFile('tests/disabled', { token: READER })).toMatchObject({
      code: 'ACCESS',
      status: 403,
      message: expect.stringContaining('disabled'),
      hint: expect.any(String),
    });
  });

  test('an invalid token', async () => {
    const token = { value: 'hf_topsecretinvalid', origin: '/home/me/.cache/huggingface/token' };
    expect(await resolve('tests/everything', { token })).toMatchObject({
      code: 'ACCESS',
      status: 401,
      message: 'the token is invalid or has expired (from /home/me/.cache/huggingface/token)',
      hint: expect.stringContaining('public repositories need none'),
    });
  });

  test('a missing file, with a code and without one', async () => {
    const truth: RemoteFile = { path: 'nothing.bin', size: 1, digest: undefined };
    using setup = setUp();
    const revision = await setup.source.resolve(model('tests/everything'), 'gptq/8bit', signal);
    const expected = {
      code: 'NOT_FOUND',
      status: 404,
      message: 'tests/everything has no file "nothing.bin" in this revision',
      hint: expect.stringContaining('/tree/gptq%2F8bit'),
    };
    expect(await refusalOf(setup.source.locate(revision, truth, signal))).toMatchObject(expected);
    hub.faults.add({ on: 'resolve', effect: { kind: 'status', status: 404, body: '<h1>404</h1>' } });
    expect(await refusalOf(setup.source.locate(revision, truth, signal))).toMatchObject(expected);
  });

  test('a permission that the token lacks, in the words of the hub', async () => {
    hub.faults.add({
      on: 'revision',
      effect: { kind: 'status', status: 403, body: `{"error":"no scope for ${TOKEN}"}` },
    });
    expect(await resolve('tests/everything', { token: READER })).toMatchObject({
      code: 'ACCESS',
      status: 403,
      message: 'access to tests/everything was refused: no scope for (token)',
      hint: expect.stringContaining('HF_TOKEN'),
    });
  });

  test.each([
    [400, 1],
    [418, 1],
    [408, 4],
    [425, 4],
    [500, 4],
    [502, 4],
    [504, 4],
  ])('status %d is asked for %d times', async (status, times) => {
    hub.faults.add({ on: 'revision', times: 'always', effect: { kind: 'status', status, body: '<p>x</p>' } });
    expect(await resolve('tests/everything')).toMatchObject({
      code: 'NETWORK',
      status,
      hint: expect.any(String),
      message: expect.stringMatching(new RegExp(`^the hub answered ${status}(;|$)`)),
    });
    expect(hub.log.count({ kind: 'revision' })).toBe(times);
  });

  test('no refusal shows the token, wherever it stands', async () => {
    hub.faults.add({
      on: ['revision', 'resolve'],
      times: 'always',
      effect: {
        kind: 'status',
        status: 400,
        headers: { 'X-Error-Message': `bad header Bearer ${TOKEN}` },
        body: TOKEN,
      },
    });
    for (const error of [
      await resolve('tests/everything', { token: READER }),
      await firstFile('tests/gated', { token: READER }),
    ]) {
      expect(`${error.stack} ${error.hint} ${String(error.cause)}`).not.toContain('topsecret');
    }
  });
});

describe('a hub in trouble', () => {
  test('a burst of 503 passes', async () => {
    hub.faults.add({ on: 'any', times: 3, effect: { kind: 'status', status: 503 } });
    using setup = setUp();
    await setup.source.resolve(model('tests/everything'), 'main', signal);
    expect(setup.retried.map((error) => error.status)).toEqual([503, 503, 503]);
    expect(hub.log.count()).toBe(4);
    // Each wait is longer than the one before could have been at least.
    expect(
      setup.clock.sleeps.map((wait, index) => wait >= 50 * 2 ** index && wait <= 100 * 2 ** index),
    ).toEqual([true, true, true]);
  });

  test('a 503 that says when to come back is obeyed', async () => {
    hub.faults.add({ on: 'any', effect: { kind: 'status', status: 503, headers: { 'Retry-After': '40' } } });
    using setup = setUp();
    await setup.source.resolve(model('tests/everything'), 'main', signal);
    expect(Math.max(...setup.clock.sleeps)).toBeGreaterThanOrEqual(40_000);
  });

  test.each<[RateLimitStyle, number, number]>([
    ['retry-after-seconds', 30_000, 30_200],
    ['retry-after-date', 28_500, 30_200],
    ['rate-limit-header', 31_000, 31_200],
    ['nothing', 50, 100],
  ])('a 429 with %s waits so long, and no longer', async (tell, least, most) => {
    hub.faults.add({ on: 'any', effect: { kind: 'rate-limited', seconds: 30, tell } });
    using setup = setUp();
    await setup.source.resolve(model('tests/everything'), 'main', signal);
    const waited = setup.clock.sleeps.reduce((sum, wait) => sum + wait, 0);
    expect(waited).toBeGreaterThanOrEqual(least);
    expect(waited).toBeLessThanOrEqual(most);
    expect(setup.retried[0]).toMatchObject({
      code: 'NETWORK',
      status: 429,
      hint: expect.stringContaining('HF_TOKEN'),
    });
    expect(hub.log.count()).toBe(2);
  });

  test('a 429 that asks for an hour ends it', async () => {
    hub.faults.add({
      on: 'any',
      effect: { kind: 'rate-limited', seconds: 3600, tell: 'retry-after-seconds' },
    });
    using setup = setUp();
    expect(await refusalOf(setup.source.resolve(model('tests/everything'), 'main', signal))).toMatchObject({
      code: 'NETWORK',
      status: 429,
      message: expect.stringContaining('asked to wait 3600 s'),
    });
    expect(setup.clock.sleeps).toEqual([]);
  });

  test('the last request of a quota holds the next ones back, before they are refused', async () => {
    hub.faults.add({ on: 'any', effect: { kind: 'headers', set: { RateLimit: '"api";r=0;t=20' } } });
    using setup = setUp();
    await setup.source.resolve(model('tests/everything'), 'main', signal);
    expect(setup.clock.sleeps).toEqual([]);
    await setup.source.branches(model('tests/everything'), signal);
    expect(setup.clock.sleeps).toHaveLength(1);
    expect(setup.clock.sleeps[0]).toBeGreaterThan(20_000);
    expect(setup.holds).toEqual([['api', 21_000]]);
    expect(setup.retried).toEqual([]);
  });

  test.each([
    ['a reset', { kind: 'reset', at: 'before-head' }],
    ['a reset in the body', { kind: 'reset', at: 10 }],
    ['an early end', { kind: 'truncate', at: 10 }],
    ['silence', { kind: 'stall', at: 'before-head' }],
    ['silence in the body', { kind: 'stall', at: 10 }],
    ['gzip', { kind: 'gzip' }],
    ['chunks', { kind: 'chunked' }],
  ] as const)('%s is survived', async (_, effect) => {
    hub.faults.add({ on: 'revision', effect }, { on: 'tree', effect });
    using setup = setUp();
    const revision = await setup.source.resolve(model('tests/everything'), 'main', signal);
    expect(await listed(setup.source, revision)).toHaveLength(5);
    for (const error of setup.retried) expect(error.code).toBe('NETWORK');
  });

  test('a redirect in circles ends with its name', async () => {
    hub.faults.add({ on: 'revision', times: 'always', effect: { kind: 'redirect-loop' } });
    using setup = setUp();
    expect(await refusalOf(setup.source.resolve(model('tests/everything'), 'main', signal))).toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('redirects in circles'),
    });
    expect(hub.log.count()).toBe(2);
  });

  test('a redirect to another host goes without the token', async () => {
    const seen: (string | undefined)[] = [];
    await using other = await serveHttp((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(429, { ratelimit: '"api";r=0;t=99' }).end();
    });
    hub.faults.add({ on: 'revision', effect: { kind: 'redirect', location: `${other.origin}/api` } });
    using setup = setUp({ token: READER });
    await setup.source.resolve(model('tests/everything'), 'main', signal);
    expect(seen).toEqual([undefined]);
    // What the other host counts is nothing to this one.
    expect(setup.holds).toEqual([]);
  });
});

describe('locate', () => {
  const SMALL: RemoteFile = { path: 'README.md', size: 7, digest: undefined };
  const LARGE: RemoteFile = { path: 'model.safetensors', size: 70_003, digest: undefined };
  const EMPTY: RemoteFile = { path: 'empty.txt', size: 0, digest: undefined };
  const pinned = (): Revision => ({
    repo: model('tests/everything'),
    name: 'main',
    id: hub.repository('tests/everything').commitOf('main').id,
    gated: false,
  });

  test('a small file is behind a redirect on the same origin, token and query included', async () => {
    using setup = setUp({ token: READER });
    const { url, authorization, expiresAt } = await setup.source.locate(pinned(), SMALL, signal);
    expect(url).toMatch(new RegExp(`^${hub.origin}/api/resolve-cache/models/tests/everything/.*etag=`));
    expect(authorization).toEqual({ origin: hub.origin, value: `Bearer ${TOKEN}` });
    expect(expiresAt).toBeUndefined();
    expect(hub.log.entries).toHaveLength(1);
    expect(hub.log.entries[0]).toMatchObject({
      kind: 'resolve',
      method: 'HEAD',
      authorization: 'valid',
      range: undefined,
    });
  });

  test('a large file is at another host, for a while and without the token', async () => {
    hub.settings.signedUrlSeconds = 100;
    using setup = setUp({ token: READER });
    const { url, authorization, expiresAt } = await setup.source.locate(pinned(), LARGE, signal);
    expect(url.startsWith(hub.cdnOrigin)).toBe(true);
    expect(authorization).toBeUndefined();
    expect(expiresAt).toBeGreaterThan(Date.now() + 90_000);
    expect(expiresAt).toBeLessThan(Date.now() + 110_000);
    expect(hub.log.entries).toHaveLength(1);
  });

  test('a server that answers directly is asked once for all files, and again for one that failed', async () => {
    hub.settings.directAnswers = true;
    using setup = setUp({ token: READER });
    const first = await setup.source.locate(pinned(), SMALL, signal);
    expect(first.url).toMatch(/\/tests\/everything\/resolve\/[0-9a-f]{40}\/README\.md$/);
    expect(hub.log.count()).toBe(1);
    const second = await setup.source.locate(pinned(), LARGE, signal);
    expect(second.url).toMatch(/\/model\.safetensors$/);
    expect(second.authorization?.origin).toBe(hub.origin);
    expect(hub.log.count()).toBe(1);
    await setup.source.locate(pinned(), LARGE, signal);
    expect(hub.log.count()).toBe(2);
  });

  test('an empty file of such a server is there too', async () => {
    hub.settings.directAnswers = true;
    using setup = setUp();
    expect((await setup.source.locate(pinned(), EMPTY, signal)).url).toMatch(/\/empty\.txt$/);
  });

  test('a server that sends everything, whatever range is asked for, is not read to the end', async () => {
    hub.settings.directAnswers = true;
    hub.faults.add({ on: 'resolve', effect: { kind: 'ignore-range' } });
    using setup = setUp();
    const file: RemoteFile = { path: 'weights/exactly 8 MiB.bin', size: 8 << 20, digest: undefined };
    const revision: Revision = {
      ...pinned(),
      repo: model('tests/odd-names'),
      id: hub.repository('tests/odd-names').commitOf('main').id,
    };
    await setup.source.locate(revision, file, signal);
    expect(hub.log.bytesSent()).toBeLessThan(8 << 20);
  });

  test('a renamed repository is followed without metadata, the file is then found', async () => {
    using setup = setUp({ token: READER });
    const commit = hub.repository('gpt2').commitOf('main').id;
    const revision: Revision = { repo: model('gpt2'), name: 'main', id: commit, gated: false };
    const file: RemoteFile = { path: 'model.safetensors', size: 300_000, digest: undefined };
    expect((await setup.source.locate(revision, file, signal)).url.startsWith(hub.cdnOrigin)).toBe(true);
    expect(hub.log.count()).toBe(2);
    expect(hub.log.entries.every((entry) => entry.authorization === 'valid')).toBe(true);
  });

  test('a redirect in circles, one to nowhere and one to another scheme are named', async () => {
    using setup = setUp();
    const cases = [
      [{ kind: 'redirect-loop' }, /redirects in circles/],
      [{ kind: 'redirect-nowhere' }, /redirects without saying where/],
      [{ kind: 'redirect', location: 'file:///etc/passwd' }, /redirects to a file: address/],
    ] as const;
    for (const [effect, message] of cases) {
      hub.faults.clear();
      hub.faults.add({ on: 'resolve', times: 'always', effect });
      const error = await refusalOf(setup.source.locate(pinned(), SMALL, signal));
      expect(error.code).toBe('NETWORK');
      expect(error.message).toMatch(message);
    }
    // One that leads nowhere may be due to the method: it is asked for by GET too.
    expect(hub.log.count()).toBe(2 + 2 + 1);
  });

  test.each([
    ['408', { kind: 'status', status: 408 }, true, 1],
    ['429', { kind: 'rate-limited', seconds: 9, tell: 'retry-after-seconds' }, true, 1],
    ['500', { kind: 'status', status: 500 }, true, 1],
    ['503', { kind: 'status', status: 503 }, true, 1],
    ['a reset', { kind: 'reset', at: 'before-head' }, true, 1],
    ['silence', { kind: 'stall', at: 'before-head' }, true, 1],
    // Refused without a word on why: a GET tells whether it was the method.
    ['400', { kind: 'status', status: 400 }, false, 2],
    ['403', { kind: 'status', status: 403 }, false, 2],
    ['404', { kind: 'status', status: 404 }, false, 2],
  ] as const)('%s ends the one attempt', async (_, effect, retryable, requests) => {
    hub.faults.add({ on: 'resolve', times: 'always', effect });
    using setup = setUp();
    const error = await refusalOf(setup.source.locate(pinned(), LARGE, signal));
    expect(error.retryable).toBe(retryable);
    expect(error.hint).toBeTruthy();
    expect(hub.log.count()).toBe(requests);
    expect(setup.clock.sleeps).toEqual([]);
    expect(error.message).not.toContain('Signature');
  });

  test('a quota that is used up holds back every file, and says so once', async () => {
    hub.faults.add({
      on: 'resolve',
      effect: { kind: 'headers', set: { RateLimit: '"resolvers";r=0;t=20' } },
    });
    using setup = setUp();
    await setup.source.locate(pinned(), SMALL, signal);
    await Promise.all([
      setup.source.locate(pinned(), LARGE, signal),
      setup.source.locate(pinned(), EMPTY, signal),
    ]);
    expect(setup.holds).toEqual([['resolvers', 21_000]]);
    expect(setup.clock.sleeps[0]).toBeGreaterThan(20_000);
  });

  test('every odd name is asked for as it is', async () => {
    using setup = setUp();
    const revision = await setup.source.resolve(model('tests/odd-names'), 'main', signal);
    const files = await listed(setup.source, revision);
    expect(files).toHaveLength(25);
    hub.log.clear();
    for (const file of files) {
      const { url } = await setup.source.locate(revision, file, signal);
      expect(hub.log.entries.at(-1)?.path).toBe(file.path);
      if (file.size === 0) continue;
      const answer = await fetch(url, { headers: { range: 'bytes=0-0' } });
      expect(answer.status).toBe(206);
      expect(answer.headers.get('content-range')).toBe(`bytes 0-0/${file.size}`);
      await answer.arrayBuffer();
    }
  });
});

describe('an endpoint behind a path', () => {
  test.each([false, true])('serves everything from there (links to elsewhere: %s)', async (leakLinks) => {
    Object.assign(hub.settings, { leakLinks, pageSize: 500 });
    await using door = await serveBehind('/mirror/hf', hub.origin);
    const seen: string[] = [];
    using setup = setUp({
      endpoint: `${door.origin}/mirror/hf`,
      token: READER,
      trace: ({ url }) => seen.push(`${url.origin}${url.pathname}`),
    });
    const revision = await setup.source.resolve(model('gpt2'), 'main', signal);
    expect(revision.repo.id).toBe('openai-community/gpt2');
    const many = await setup.source.resolve(model('tests/many-files'), 'main', signal);
    expect(await listed(setup.source, many)).toHaveLength(1200);
    const config: RemoteFile = { path: 'config.json', size: 1, digest: undefined };
    const weights: RemoteFile = { path: 'model.safetensors', size: 300_000, digest: undefined };
    const small = await setup.source.locate(revision, config, signal);
    expect(small.url).toContain(`${door.origin}/mirror/hf/api/resolve-cache/`);
    expect(small.authorization?.origin).toBe(door.origin);
    expect((await setup.source.locate(revision, weights, signal)).authorization).toBeUndefined();
    for (const url of seen) expect(url.startsWith(`${door.origin}/mirror/hf/`)).toBe(true);
    expect(hub.log.entries.every((entry) => entry.authorization === 'valid')).toBe(true);
  });
});
