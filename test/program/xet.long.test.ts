import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import type { Fault } from '../support/hub/faults/script.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type Run, Workspace } from '../support/run-program.ts';
import { ContentStore, STORE_FORMS, type StoreSettings } from '../support/xet/content-store.ts';
import { random } from '../support/xet/contents.ts';
import { addFixture, FIXTURE_CONTENTS, type FixtureName } from '../support/xet/fixtures.ts';
import { chunkLie, reconstructionLie } from '../support/xet/lies.ts';
import { pack } from '../support/xet/pack.ts';

const ID = 'tests/xet';
const MIB = 1 << 20;
const NAMES = Object.keys(FIXTURE_CONTENTS) as FixtureName[];

interface Outcome {
  readonly run: Run;
  readonly hub: Hub;
  readonly store: ContentStore;
}

interface Setting {
  readonly settings?: Partial<StoreSettings>;
  readonly faults?: readonly Fault[];
  readonly words?: readonly string[];
  readonly names?: readonly FixtureName[];
}

/** One run that must end with exactly the files of the branch, whatever happens. */
async function survive({ settings, faults = [], words = [], names = NAMES }: Setting): Promise<Outcome> {
  await using store = await ContentStore.start(settings);
  const files = names.map((name) => addFixture(store, name).file(`${name}.bin`));
  for (const fault of faults) store.faults.add(fault);
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: files } }],
    contentStore: store,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([ID, '--protocol', 'xet', '--stall-timeout', '2', ...words]);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('xet'), await hub.truth(ID))).toEqual([]);
  expect(store.leaks()).toEqual([]);
  expect(hub.log.tokenLeaks()).toEqual([]);
  return { run, hub, store };
}

describe('--protocol xet', () => {
  test.each(STORE_FORMS)('brings every fixture from the store: %s', async (_name, settings) => {
    const { hub, store } = await survive({ settings });
    expect(hub.log.count({ origin: 'cdn' })).toBe(0);
    expect(store.log.where({ kind: 'xorb' }).every(({ status }) => status === 206)).toBe(true);
  });
});

test('the token is asked for once, while the revision is listed', async () => {
  await using store = await ContentStore.start();
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: [addFixture(store, 'b').file('b.bin')] } }],
    contentStore: store,
    faults: [{ on: 'tree', times: 'always', effect: { kind: 'delay', ms: 2000 } }],
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([ID, '--protocol', 'xet']);
  expect(run.exit, run.stderr).toBe(0);
  const [tree] = hub.log.where({ kind: 'tree' });
  const [token, ...more] = hub.log.where({ kind: 'xet-read-token' });
  expect(more).toEqual([]);
  expect(token!.startedAt).toBeLessThan(tree!.startedAt + (tree!.tookMs ?? Number.NaN));
  expect(hub.log.count({ kind: 'resolve' })).toBe(0);
});

test('--frozen from an empty directory: the lockfile decides, the bytes come as chunks', async () => {
  await using store = await ContentStore.start();
  const files = NAMES.map((name) => addFixture(store, name).file(`${name}.bin`));
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: files } }],
    contentStore: store,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const locked = await workspace.run(['lock', ID, '-q']);
  expect(locked.exit, locked.stderr).toBe(0);
  const words = [ID, '--lock', 'models.lock', '--frozen', '--protocol', 'xet', '--local-dir', 'fresh'];
  const run = await workspace.run(words);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('fresh'), await hub.truth(ID))).toEqual([]);
  expect(hub.log.count({ origin: 'cdn' })).toBe(0);
  expect(store.log.bytesSent('xorbs')).toBeGreaterThan(0);
  // Chunks that are not those of the lockfile do not get its names.
  store.faults.add({ on: 'xorb', times: 'always', effect: { kind: 'flip', offset: 5000, mask: 1 } });
  hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'flip', offset: 5000 } });
  const wrong = await workspace.run([...words.slice(0, -1), 'other', '--no-reuse']);
  expect(wrong.exit, wrong.stderr).toBe(7);
});

test('a download of many segments asks for each chunk once', async () => {
  await using store = await ContentStore.start({ latencyMs: 20 });
  // Chunks of 128 KiB: at the edge of each segment of some MiB one of them would come twice.
  const content = random(11, 96 * MIB);
  const file = await pack(store, content, { scheme: 'none' });
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: [file.file('model.bin')] } }],
    contentStore: store,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([ID, '--protocol', 'xet']);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('xet'), await hub.truth(ID))).toEqual([]);
  const ranges = store.log.where({ kind: 'xorb' }).map(({ range }) => range ?? '');
  expect(ranges.length).toBeGreaterThan(4);
  const asked = ranges.reduce((sum, range) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    return sum + Number(end) - Number(start) + 1;
  }, 0);
  const stored = [...store.xorbs.values()].reduce((sum, { data }) => sum + data.length, 0);
  expect(asked).toBeGreaterThanOrEqual(stored);
  expect(asked).toBeLessThan(1.01 * stored);
});

test('what a file repeats comes once, also where its parts are far from each other', async () => {
  await using store = await ContentStore.start();
  const piece = random(12, 4 * MIB);
  const content = Buffer.concat([piece, random(13, 40 * MIB), piece, random(14, 20 * MIB), piece]);
  const file = await pack(store, content, { scheme: 'none' });
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: [file.file('model.bin')] } }],
    contentStore: store,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  // One part after the other.
  const run = await workspace.run([ID, '--protocol', 'xet', '--connections', '1']);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('xet'), await hub.truth(ID))).toEqual([]);
  const stored = [...store.xorbs.values()].reduce((sum, { data }) => sum + data.length, 0);
  expect(stored).toBeLessThan(content.length - 6 * MIB);
  expect(store.log.bytesSent('xorbs')).toBeLessThan(1.02 * stored);
});

test.each([
  ['a half', () => [random(15, 32 * MIB), random(15, 32 * MIB)]],
  [
    'a part, from the middle of a chunk on',
    () => [random(16, 40 * MIB), random(16, 40 * MIB).subarray(5 * MIB + 777)],
  ],
  [
    'one chunk',
    () =>
      Array.from({ length: 64 }, (_, index) =>
        index % 4 === 3 ? random(20 + index, MIB) : Buffer.alloc(MIB),
      ),
  ],
])(
  'what a file repeats comes once, also to parts that are under way at the same moment: %s',
  async (_, pieces) => {
    await using store = await ContentStore.start({ bytesPerSecond: 16 * MIB, latencyMs: 50 });
    const content = Buffer.concat(pieces());
    const file = await pack(store, content, { scheme: 'none' });
    await using hub = await startHub({
      repositories: [{ id: ID, branches: { main: [file.file('model.bin')] } }],
      contentStore: store,
    });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([ID, '--protocol', 'xet', '--connections', '8']);
    expect(run.exit, run.stderr).toBe(0);
    expect(await compareWithTruth(workspace.path('xet'), await hub.truth(ID))).toEqual([]);
    const stored = [...store.xorbs.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(stored).toBeLessThan(0.7 * content.length);
    expect(store.log.bytesSent('xorbs')).toBeLessThan(1.03 * stored);
  },
);

/** Bytes of bridges and of the hub itself that came for files. */
const overHttp = ({ hub }: Outcome) => hub.log.count({ origin: 'cdn' });

describe('a file stays with the store', () => {
  test.each<[string, Fault]>([
    ['an address is refused once', { on: 'xorb', effect: { kind: 'expired' } }],
    ['an address is refused twice', { on: 'xorb', times: 2, effect: { kind: 'expired' } }],
    ['the token has ended', { on: 'reconstruction', effect: { kind: 'status', status: 401 } }],
    ['the store limits requests', limited(429, 'reconstruction')],
    ['the store is busy', limited(503, 'reconstruction')],
    ['the storage is busy', limited(503, 'xorb')],
    ['the store fails once', { on: 'reconstruction', effect: { kind: 'status', status: 500 } }],
    ['the storage fails once', { on: 'xorb', effect: { kind: 'status', status: 500 } }],
    ['a body is cut', { on: 'xorb', effect: { kind: 'truncate', at: 100_000 } }],
    ['a connection breaks', { on: 'xorb', effect: { kind: 'reset', at: 100_000 } }],
    ['a body stalls', { on: 'xorb', effect: { kind: 'stall', at: 100_000 } }],
    ['another range comes', { on: 'xorb', effect: { kind: 'content-range', shift: 100 } }],
    ['the range comes with status 200', { on: 'xorb', times: 'always', effect: { kind: 'part-as-200' } }],
  ])('%s', async (_name, fault) => {
    const outcome = await survive({ faults: [fault], names: ['a'] });
    expect(overHttp(outcome)).toBe(0);
    expect(outcome.run.stderr).not.toContain('plain HTTP');
  });
});

function limited(status: number, on: 'reconstruction' | 'xorb'): Fault {
  return { on, times: 2, effect: { kind: 'status', status, headers: { 'Retry-After': '1' } } };
}

describe('a flipped bit is noticed', () => {
  // In a header of a chunk, in packed bytes, in plain bytes.
  test.each<[FixtureName, number]>([
    ['a', 40_000],
    ['bfloat16', 0],
    ['bfloat16', 60_000],
    ['float32', 5],
    ['float32', 100_001],
    ['random', 70_000],
    ['zeros', 500],
    ['tiny', 20],
  ])('once, in %s at %i: only that comes again', async (name, offset) => {
    const effect = { kind: 'flip', offset, mask: 1 } as const;
    const outcome = await survive({ faults: [{ on: 'xorb', effect }], names: [name] });
    expect(overHttp(outcome)).toBe(0);
    expect(outcome.store.log.bytesSent('xorbs')).toBeLessThanOrEqual(
      2 * FIXTURE_CONTENTS[name].length + 1000,
    );
  });

  test('always: the file comes over plain HTTP', async () => {
    const effect = { kind: 'flip', offset: 40_000, mask: 1 } as const;
    const outcome = await survive({
      faults: [{ on: 'xorb', times: 'always', effect }],
      names: ['a', 'float32'],
    });
    expect(overHttp(outcome)).toBeGreaterThan(0);
  });
});

describe('a store that cannot be used leads to plain HTTP, said once', () => {
  test.each<[string, Fault]>([
    ['it fails', { on: 'reconstruction', times: 'always', effect: { kind: 'status', status: 500 } }],
    [
      'it does not know the file',
      { on: 'reconstruction', times: 'always', effect: { kind: 'status', status: 404 } },
    ],
    [
      'it refuses every token',
      { on: 'reconstruction', times: 'always', effect: { kind: 'status', status: 401 } },
    ],
    [
      'the range is behind the end',
      { on: 'reconstruction', times: 'always', effect: { kind: 'status', status: 416 } },
    ],
    [
      'every address is refused',
      { on: 'xorb', times: 'always', effect: { kind: 'auth-failed', why: 'invalid range' } },
    ],
    ['the storage fails', { on: 'xorb', times: 'always', effect: { kind: 'status', status: 500 } }],
    ['every body is cut', { on: 'xorb', times: 'always', effect: { kind: 'truncate', at: 0 } }],
    ['every body stalls', { on: 'xorb', times: 'always', effect: { kind: 'stall', at: 0 } }],
    ['no answer comes', { on: 'reconstruction', effect: { kind: 'vanish', ms: Number.POSITIVE_INFINITY } }],
  ])('%s', async (_name, fault) => {
    const outcome = await survive({ faults: [fault], names: ['a', 'b', 'random'] });
    expect(overHttp(outcome)).toBeGreaterThan(0);
    expect(outcome.run.stderr.match(/going on over plain HTTP/g)).toHaveLength(1);
  });

  // All lies of a reconstruction are rows of test/unit/xet/parse-reconstruction.test.ts.
  test.each(['terms change places', 'ranges of other bytes', 'not JSON'])(
    'a reconstruction lies: %s',
    async (lie) => {
      await survive({
        faults: [{ on: 'reconstruction', times: 'always', effect: reconstructionLie(lie) }],
        names: ['a'],
      });
    },
  );

  test.each(['an unknown scheme', 'a chunk that is one byte longer'])('a chunk lies: %s', async (lie) => {
    await survive({ faults: [{ on: 'xorb', times: 'always', effect: chunkLie(lie) }], names: ['float32'] });
  });
});
