import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Effect } from '../../support/hub/faults/effect.ts';
import type { Fault } from '../../support/hub/faults/script.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile } from '../../support/hub/repositories/file.ts';
import { Workspace } from '../../support/run-program.ts';
import { ContentStore, type StoreSettings } from '../../support/xet/content-store.ts';
import { addFixture, FIXTURE_CONTENTS, officialFixtures } from '../../support/xet/fixtures.ts';
import { CHUNK_LIES, chunkLie, RECONSTRUCTION_LIES, reconstructionLie } from '../../support/xet/lies.ts';
import { endingOf, loadLibrary } from './run-cell.ts';

/** The kinds of request that a download from a content store consists of, in their order. */
const COLUMNS = ['xet-read-token', 'reconstruction', 'xorb'] as const;
type Column = (typeof COLUMNS)[number];

/** `store`: the file comes from the store in spite of it. `bridge`: from there, or over plain HTTP. */
type Way = 'store' | 'bridge';

interface Row {
  readonly name: string;
  readonly effect: Effect;
  /** For ever if left out. */
  readonly times?: number;
  /** In each column; undefined where the fault cannot meet the request. */
  readonly ways: Readonly<Record<Column, Way | undefined>>;
}

const status = (code: number, body = '', headers: Record<string, string> = {}): Effect => ({
  kind: 'status',
  status: code,
  body,
  headers,
});
const each = (way: Way, but: Partial<Record<Column, Way | undefined>> = {}): Row['ways'] => ({
  'xet-read-token': way,
  reconstruction: way,
  xorb: way,
  ...but,
});
const only = (column: Column, way: Way): Row['ways'] => ({
  'xet-read-token': undefined,
  reconstruction: undefined,
  xorb: undefined,
  [column]: way,
});

type TokenFields = Record<'accessToken' | 'casUrl' | 'exp', unknown>;
type TokenLie = readonly [name: string, change: (token: TokenFields) => string, way: Way];

/** Answers about the token that are not as they should be. */
const TOKEN_LIES: readonly TokenLie[] = [
  ['no JSON', () => '<html>', 'bridge'],
  ['a list', () => '[]', 'bridge'],
  ['no token in it', (token) => JSON.stringify({ ...token, accessToken: undefined }), 'bridge'],
  ['a line break in it', (token) => JSON.stringify({ ...token, accessToken: 'a\r\nx: y' }), 'bridge'],
  ['no store', (token) => JSON.stringify({ ...token, casUrl: undefined }), 'bridge'],
  ['a store that is a file', (token) => JSON.stringify({ ...token, casUrl: 'file:///etc/passwd' }), 'bridge'],
  [
    'a store with a password',
    (token) => JSON.stringify({ ...token, casUrl: 'http://a:b@127.0.0.1/' }),
    'bridge',
  ],
  [
    'a store where nothing listens',
    (token) => JSON.stringify({ ...token, casUrl: 'http://127.0.0.1:1' }),
    'bridge',
  ],
  [
    'a store that speaks no TLS',
    (token) => JSON.stringify({ ...token, casUrl: String(token.casUrl).replace('http:', 'https:') }),
    'bridge',
  ],
  ['that has ended, by our clock', (token) => JSON.stringify({ ...token, exp: 1 }), 'store'],
  ['that ends at no time', (token) => JSON.stringify({ ...token, exp: 'soon' }), 'store'],
];

const ROWS: readonly Row[] = [
  {
    name: 'reset before the head, twice',
    effect: { kind: 'reset', at: 'before-head' },
    times: 2,
    ways: each('store'),
  },
  {
    name: 'reset before the head, for ever',
    effect: { kind: 'reset', at: 'before-head' },
    ways: each('bridge'),
  },
  { name: 'reset in the body, twice', effect: { kind: 'reset', at: 20 }, times: 2, ways: each('store') },
  { name: 'reset in the body, for ever', effect: { kind: 'reset', at: 20 }, ways: each('bridge') },
  {
    name: 'a body that ends early, twice',
    effect: { kind: 'truncate', at: 1000 },
    times: 2,
    ways: only('xorb', 'store'),
  },
  {
    name: 'a body that ends early, for ever',
    effect: { kind: 'truncate', at: 1000 },
    ways: only('xorb', 'bridge'),
  },
  { name: 'silence, twice', effect: { kind: 'stall', at: 'before-head' }, times: 2, ways: each('bridge') },
  { name: 'silence, for ever', effect: { kind: 'stall', at: 'before-head' }, ways: each('bridge') },
  { name: 'silence in the body, twice', effect: { kind: 'stall', at: 20 }, times: 2, ways: each('bridge') },
  { name: 'silence in the body, for ever', effect: { kind: 'stall', at: 20 }, ways: each('bridge') },
  {
    name: 'a trickle that never stops, for ever',
    effect: { kind: 'slow', bytesPerSecond: 20 },
    ways: each('bridge'),
  },
  { name: '503, twice', effect: status(503), times: 2, ways: each('store') },
  { name: '503, for ever', effect: status(503), ways: each('bridge') },
  { name: '500, twice', effect: status(500), times: 2, ways: each('store') },
  { name: '500, for ever', effect: status(500), ways: each('bridge') },
  { name: '429, twice', effect: status(429, '', { 'Retry-After': '0' }), times: 2, ways: each('store') },
  { name: '401, once', effect: status(401), times: 1, ways: only('reconstruction', 'store') },
  { name: '401, for ever', effect: status(401), ways: only('reconstruction', 'bridge') },
  { name: '403, for ever', effect: status(403), ways: each('bridge') },
  { name: '404, for ever', effect: status(404), ways: each('bridge') },
  {
    name: 'an address that has ended, once',
    effect: { kind: 'expired' },
    times: 1,
    ways: only('xorb', 'store'),
  },
  { name: 'addresses that have ended, for ever', effect: { kind: 'expired' }, ways: only('xorb', 'bridge') },
  {
    name: 'a refused range, once',
    effect: { kind: 'auth-failed', why: 'invalid range' },
    times: 1,
    ways: only('xorb', 'store'),
  },
  { name: 'a page of a filter, for ever', effect: status(403, '<html>blocked</html>'), ways: each('bridge') },
  {
    name: 'a login page with 200, for ever',
    effect: status(200, '<html>log in</html>'),
    ways: each('bridge'),
  },
  { name: 'a redirect in circles, for ever', effect: { kind: 'redirect-loop' }, ways: each('bridge') },
  {
    name: 'a redirect that leads nowhere, for ever',
    effect: { kind: 'redirect-nowhere' },
    ways: each('bridge'),
  },
  {
    name: 'a range of other bytes, for ever',
    effect: { kind: 'content-range', shift: 1 },
    ways: only('xorb', 'bridge'),
  },
  {
    name: 'the whole xorb in place of a range, for ever',
    effect: { kind: 'ignore-range' },
    ways: only('xorb', 'bridge'),
  },
  {
    name: 'fewer bytes than asked for, for ever',
    effect: { kind: 'short-range', bytes: 100 },
    ways: only('xorb', 'bridge'),
  },
  {
    name: 'bytes from elsewhere, for ever',
    effect: { kind: 'shifted-bytes', shift: 1 },
    ways: only('xorb', 'bridge'),
  },
  { name: '400, for ever', effect: status(400), ways: each('bridge') },
  { name: '408, twice', effect: status(408), times: 2, ways: each('store') },
  // The store answers it for files that it does not know; taken for the end of the file, it cut files short (hub #4223).
  { name: '416 inside of the file, for ever', effect: { kind: 'unsatisfiable' }, ways: each('bridge') },
  { name: '501, for ever', effect: status(501), ways: each('bridge') },
  { name: 'no HTTP at all, for ever', effect: { kind: 'raw', text: 'SSH-2.0-x\r\n' }, ways: each('bridge') },
  { name: 'a connection that ends unannounced', effect: { kind: 'close-connection' }, ways: each('store') },
  { name: '103 before each answer', effect: { kind: 'interim' }, ways: each('store') },
  {
    name: 'a part of a xorb under 200, as local_cas_server sends it for v1',
    effect: { kind: 'part-as-200' },
    ways: only('xorb', 'store'),
  },
  {
    name: 'a range without Content-Range',
    effect: { kind: 'headers', drop: ['Content-Range'] },
    ways: only('xorb', 'store'),
  },
  {
    name: 'several parts in one body, for ever',
    effect: {
      kind: 'headers',
      set: { 'Content-Type': 'multipart/byteranges; boundary=x' },
      drop: ['Content-Range'],
    },
    ways: only('xorb', 'bridge'),
  },
  {
    name: 'more bytes than asked for, for ever',
    effect: { kind: 'long-range', bytes: 100 },
    ways: only('xorb', 'bridge'),
  },
  { name: 'a body without a length', effect: { kind: 'chunked' }, ways: each('store') },
  { name: 'a compressed body', effect: { kind: 'gzip' }, ways: each('store') },
  ...TOKEN_LIES.map(
    ([lie, change, way]): Row => ({
      name: `a token: ${lie}, for ever`,
      effect: { kind: 'rewrite', change: (body) => Buffer.from(change(JSON.parse(String(body)))) },
      ways: only('xet-read-token', way),
    }),
  ),
  ...CHUNK_LIES.flatMap((lie): Row[] => [
    { name: `a chunk: ${lie}, once`, effect: chunkLie(lie), times: 1, ways: only('xorb', 'bridge') },
    { name: `a chunk: ${lie}, for ever`, effect: chunkLie(lie), ways: only('xorb', 'bridge') },
  ]),
  ...RECONSTRUCTION_LIES.map(
    (lie): Row => ({
      name: `a reconstruction: ${lie}, for ever`,
      effect: reconstructionLie(lie),
      ways: only('reconstruction', 'bridge'),
    }),
  ),
];

const CONTENT = FIXTURE_CONTENTS.b;
const TOKEN = 'hf_matrix';
let library: Awaited<ReturnType<typeof loadLibrary>>;
let workspace: Workspace;
let serial = 0;

beforeAll(async () => {
  library = await loadLibrary();
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.asyncDispose]());

interface World extends AsyncDisposable {
  readonly hub: Hub;
  readonly store: ContentStore;
  readonly directory: string;
}

async function open(settings: Partial<StoreSettings> = {}): Promise<World> {
  const store = await ContentStore.start(settings);
  const file = addFixture(store, 'b');
  const hub = await startHub({
    repositories: [
      {
        id: 'o/n',
        gated: 'auto',
        branches: { main: [file.file('model.safetensors'), gitFile('config.json', '{}')] },
      },
    ],
    tokens: [{ token: TOKEN, user: 'matrix', access: 'all' }],
    contentStore: store,
  });
  serial += 1;
  return {
    hub,
    store,
    directory: workspace.path(`xet-${serial}`),
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.close(), store[Symbol.asyncDispose]()]);
    },
  };
}

/** How long silence may last where there is some; elsewhere a busy machine would only be taken for a silent one. */
const STALL_MS = 1000;

async function pull(
  { hub, directory }: World,
  stallTimeoutMs?: number,
): Promise<{ exit: number; message: string }> {
  return await endingOf(
    library.download({
      repo: 'o/n',
      endpoint: hub.endpoint,
      token: TOKEN,
      directory,
      protocol: 'xet',
      connections: 4,
      retry: { tries: 4, baseDelayMs: 10, maxDelayMs: 10 },
      stallTimeoutMs,
      environment: { ...library.environment, processors: 1 },
    }),
  );
}

/** Whatever stands under the final name is right. */
function judge({ directory, hub, store }: World, exit: number): void {
  const path = `${directory}/model.safetensors`;
  expect(existsSync(path)).toBe(exit === 0);
  if (exit === 0) expect(readFileSync(path).equals(CONTENT)).toBe(true);
  expect(store.leaks()).toEqual([]);
  expect(hub.log.tokenLeaks()).toEqual([]);
}

const bridgeBytes = ({ hub }: World): number => hub.log.bytesSent({ origin: 'cdn' });

test('without a fault all of it comes from the store', async () => {
  await using world = await open();
  expect(await pull(world)).toMatchObject({ exit: 0 });
  judge(world, 0);
  expect(bridgeBytes(world)).toBe(0);
  const { terms } = officialFixtures().files.b;
  expect(world.store.log.count({ kind: 'xorb' })).toBeGreaterThanOrEqual(
    new Set(terms.map(({ xorb }) => xorb)).size,
  );
  expect(world.store.log.count({ kind: 'xet-telemetry' })).toBe(0);
});

const cells = ROWS.flatMap((row) =>
  COLUMNS.flatMap((column) => {
    const way = row.ways[column];
    return way === undefined ? [] : [{ row, column, way, name: row.name }];
  }),
);

describe('every fault at every kind of request of a content store', () => {
  test.concurrent.each(cells)('$name | $column', async ({ row, column, way }) => {
    await using world = await open();
    const { effect, times = 'always' } = row;
    const fault: Fault = { on: column, times, effect };
    (column === 'xet-read-token' ? world.hub : world.store).faults.add(fault);
    const isSlow = effect.kind === 'stall' || effect.kind === 'slow';
    const ended = await pull(world, isSlow ? STALL_MS : undefined);
    expect(ended, ended.message).toMatchObject({ exit: 0 });
    judge(world, 0);
    const log = column === 'xet-read-token' ? world.hub.log : world.store.log;
    expect(log.where({ kind: column }).some(({ faults }) => faults.length > 0)).toBe(true);
    if (way === 'store') expect(bridgeBytes(world)).toBe(0);
  });
});

describe('a store that is not as usual', () => {
  test.concurrent.each<[string, Partial<StoreSettings>]>([
    ['v2 is not there', { versions: 'v1' }],
    ['v2 is not implemented', { versions: 'v1', missingVersion: 501 }],
    ['v1 is not there', { versions: 'v2' }],
    ['several ranges under one address', { rangesPerAddress: 500 }],
    ['ranges of a file are not narrowed to chunks', { narrows: false }],
    ['tokens end in a second', { tokenSeconds: 1 }],
  ])('%s: the file comes from it all the same', async (_name, settings) => {
    await using world = await open(settings);
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
    expect(bridgeBytes(world)).toBe(0);
  });

  test.concurrent('every address has ended when it is given out', async () => {
    await using world = await open({ addressSeconds: -10 });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });

  test.concurrent.each(['cas', 'xorbs'])('nothing listens there: %s', async (origin) => {
    await using world = await open();
    const on = origin === 'cas' ? 'reconstruction' : 'xorb';
    world.store.faults.add({ on, times: 'always', effect: { kind: 'vanish', ms: 1e9 } });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });
});

describe('what the hub lists as the Xet hash', () => {
  test.concurrent.each<[string, (other: string) => string | undefined]>([
    ['is that of another file', (other) => other],
    ['is one that the store does not know', () => 'ab'.repeat(32)],
    ['is that of an empty file', () => '0'.repeat(64)],
    ['is no hash', () => '../../../etc/passwd'],
    ['is not there', () => undefined],
  ])('%s: the file is right all the same', async (_what, lie) => {
    await using world = await open();
    const listed = lie(addFixture(world.store, 'random').xetHash);
    const change = (tree: Buffer) => Buffer.from(withXetHash(String(tree), listed));
    world.hub.faults.add({ on: 'tree', times: 'always', effect: { kind: 'rewrite', change } });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });
});

function withXetHash(tree: string, xetHash: string | undefined): string {
  const entries = JSON.parse(tree) as Record<string, unknown>[];
  return JSON.stringify(entries.map((entry) => ({ ...entry, xetHash })));
}

describe('one bit is another', () => {
  const { terms } = officialFixtures().files.b;
  const xorbs = [...new Set(terms.map(({ xorb }) => xorb))];
  // In headers, at the start and in the middle of payloads.
  const places = xorbs.flatMap((xorb) =>
    [3, 4, 6, 8, 9, 15, 20, 1000, 40_000].map((offset) => ({ xorb, offset })),
  );

  test.concurrent.each(places)('byte $offset of xorb $xorb, for ever', async ({ xorb, offset }) => {
    await using world = await open();
    world.store.faults.add({
      on: 'xorb',
      path: xorb,
      times: 'always',
      effect: { kind: 'flip', offset, mask: 1 },
    });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });

  test.concurrent('in the store and on the bridge: no file, and 7', async () => {
    await using world = await open();
    for (const { xorb, offset } of places) {
      world.store.faults.add({
        on: 'xorb',
        path: xorb,
        times: 'always',
        effect: { kind: 'flip', offset, mask: 1 },
      });
    }
    world.hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'flip', offset: 5000 } });
    expect(await pull(world)).toMatchObject({ exit: 7 });
    judge(world, 7);
    world.hub.faults.clear();
    world.store.faults.clear();
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });
});

describe('the other way round', () => {
  test.concurrent('the bridge fails for good and the store works', async () => {
    await using world = await open();
    world.hub.faults.add({
      on: ['resolve', 'cdn'],
      path: '*safetensors',
      times: 'always',
      effect: { kind: 'status', status: 503 },
    });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });

  test.concurrent('both fail for good: a named error, and the next run goes on', async () => {
    await using world = await open();
    world.hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'status', status: 503 } });
    world.store.faults.add({ on: 'xorb', times: 'always', effect: { kind: 'status', status: 503 } });
    expect(await pull(world)).toMatchObject({ exit: 6 });
    judge(world, 6);
    world.hub.faults.clear();
    world.store.faults.clear();
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
  });
});

test('a redirect to a foreign host carries no token there', async () => {
  await using world = await open();
  await using foreign = await ContentStore.start();
  for (const on of ['reconstruction', 'xorb'] as const) {
    world.store.faults.clear();
    world.store.faults.add({
      on,
      times: 'always',
      effect: { kind: 'redirect', location: `${foreign.casOrigin}/x` },
    });
    expect(await pull(world)).toMatchObject({ exit: 0 });
    judge(world, 0);
    expect(foreign.leaks()).toEqual([]);
    expect(foreign.log.where().every(({ authorization }) => authorization === 'none')).toBe(true);
  }
});
