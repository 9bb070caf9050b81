import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { startHub } from '../support/hub/hub.ts';
import { jsonLines, Workspace } from '../support/run-program.ts';
import { ContentStore } from '../support/xet/content-store.ts';
import { random, versions } from '../support/xet/contents.ts';
import { pack } from '../support/xet/pack.ts';

const ID = 'tests/updates';
const PATH = 'model.safetensors';
const MIB = 1 << 20;

/** A and B of 48 MiB: a longer header, and one tensor of twelve is another one. */
const { a, b } = versions({ tensors: 12, tensorBytes: 4 * MIB, changed: 5 });
/** B with another 4 MiB. */
const c = Buffer.from(b);
random(3, 4 * MIB).copy(c, 30 * MIB);

interface World extends AsyncDisposable {
  readonly store: ContentStore;
  readonly workspace: Workspace;
  readonly run: (
    words: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<Record<string, unknown>[]>;
  readonly isRight: (branch: string, directory: string) => Promise<boolean>;
}

async function open(): Promise<World> {
  const store = await ContentStore.start();
  const packed = [];
  for (const content of [a, b, c]) packed.push((await pack(store, content, { scheme: 'none' })).file(PATH));
  const [main, next, third] = packed.map((file) => [file]);
  const hub = await startHub({
    repositories: [{ id: ID, branches: { main: main!, next: next!, third: third! } }],
    contentStore: store,
  });
  const workspace = await Workspace.open({ endpoint: hub.origin });
  return {
    store,
    workspace,
    run: async (words, env = {}) => {
      const run = await workspace.run([ID, '--json', ...words], { env });
      expect(run.exit, run.stderr).toBe(0);
      return jsonLines(run.stdout) as Record<string, unknown>[];
    },
    isRight: async (branch, directory) => {
      const differences = await compareWithTruth(workspace.path(directory), await hub.truth(ID, branch));
      expect(differences).toEqual([]);
      expect(store.leaks()).toEqual([]);
      expect(hub.log.tokenLeaks()).toEqual([]);
      return true;
    },
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

const named = (events: Record<string, unknown>[], event: string) =>
  events.find((one) => one['event'] === event) ?? {};

describe('an update fetches what changed', () => {
  test.each([
    ['over plain HTTP', ['--protocol', 'http']],
    ['as chunks', ['--protocol', 'xet']],
  ])('in the same directory, after the old version came %s', async (_how, words) => {
    await using world = await open();
    await world.run(['--local-dir', 'model', ...words]);
    const before = world.store.log.bytesSent('xorbs');
    const events = await world.run(['--local-dir', 'model', '--revision', 'next']);
    expect(await world.isRight('next', 'model')).toBe(true);
    const wire = world.store.log.bytesSent('xorbs') - before;
    expect(wire).toBeLessThan(0.15 * b.length);
    expect(wire).toBeGreaterThan(0);
    const planned = named(events, 'planned');
    expect(Number(planned['copied'])).toBeGreaterThan(0.8 * b.length);
    expect(Number(planned['wire']) + Number(planned['copied'])).toBe(b.length);
    const done = named(events, 'done');
    expect(Number(done['copied'])).toBe(Number(planned['copied']));
    expect(Number(done['wire'])).toBeLessThan(0.15 * b.length);
  });

  test('from a directory beside it', async () => {
    await using world = await open();
    await world.run([]);
    const events = await world.run(['--revision', 'next']);
    expect(await world.isRight('next', 'updates_next')).toBe(true);
    expect(Number(named(events, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test.each([
    ['--protocol http', ['--protocol', 'http']],
    ['--force-download', ['--force-download']],
  ])('not with %s', async (_name, words) => {
    await using world = await open();
    await world.run(['--local-dir', 'model']);
    const events = await world.run(['--local-dir', 'model', '--revision', 'next', ...words]);
    expect(await world.isRight('next', 'model')).toBe(true);
    expect(named(events, 'planned')['copied']).toBeUndefined();
    expect(named(events, 'done')['copied']).toBeUndefined();
  });

  test('a dry run says so, and fetches no chunk', async () => {
    await using world = await open();
    await world.run(['--local-dir', 'model']);
    const run = await world.workspace.run([
      ID,
      '--json',
      '--local-dir',
      'model',
      '--revision',
      'next',
      '--dry-run',
    ]);
    const { totals } = JSON.parse(run.stdout) as { totals: Record<string, number> };
    expect(totals['copied']).toBeGreaterThan(0.8 * b.length);
    expect(world.store.log.count({ kind: 'xorb' })).toBe(0);
  });

  test('the record of the chunks serves when the store does not know the old version any more', async () => {
    await using world = await open();
    await world.run(['--local-dir', 'model', '--protocol', 'xet']);
    const [first] = [...world.store.files.keys()];
    world.store.files.delete(first!);
    const events = await world.run(['--local-dir', 'model', '--revision', 'next']);
    expect(await world.isRight('next', 'model')).toBe(true);
    expect(Number(named(events, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test.each([
    ['as chunks', ['--protocol', 'xet']],
    ['over plain HTTP', ['--protocol', 'http']],
  ])('what was an update has a record too, after the first version came %s', async (_how, words) => {
    await using world = await open();
    await world.run(['--local-dir', 'model', ...words]);
    await world.run(['--local-dir', 'model', '--revision', 'next']);
    // Only the record knows now which chunks are on the disk.
    const [first, second] = [...world.store.files.keys()];
    world.store.files.delete(first!);
    world.store.files.delete(second!);
    const events = await world.run(['--local-dir', 'model', '--revision', 'third']);
    expect(await world.isRight('third', 'model')).toBe(true);
    expect(Number(named(events, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test('inside the central cache', async () => {
    await using world = await open();
    const cache = world.workspace.path('hub');
    await world.run(['--cache-dir', cache]);
    const inside = await world.run(['--cache-dir', cache, '--revision', 'next']);
    expect(Number(named(inside, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test('from the central cache into a directory', async () => {
    await using world = await open();
    const cache = world.workspace.path('hub');
    await world.run(['--cache-dir', cache]);
    const words = ['--local-dir', 'model', '--revision', 'next'];
    const events = await world.run(words, { HF_HUB_CACHE: cache });
    expect(await world.isRight('next', 'model')).toBe(true);
    expect(Number(named(events, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test('of a lockfile', async () => {
    await using world = await open();
    await world.run(['--local-dir', 'model']);
    const locked = await world.workspace.run(['lock', `${ID}:next`, '-q']);
    expect(locked.exit, locked.stderr).toBe(0);
    const events = await world.run([
      '--lock',
      'models.lock',
      '--frozen',
      '--revision',
      'next',
      '--local-dir',
      'model',
    ]);
    expect(await world.isRight('next', 'model')).toBe(true);
    expect(Number(named(events, 'done')['copied'])).toBeGreaterThan(0.8 * b.length);
  });

  test('an old version that was changed on the disk costs time only', async () => {
    await using world = await open();
    await world.run(['--local-dir', 'model', '--protocol', 'xet']);
    flip(world.workspace.path(`model/${PATH}`), 20 * MIB);
    await world.run(['--local-dir', 'model', '--revision', 'next']);
    expect(await world.isRight('next', 'model')).toBe(true);
  });

  /** What may have become of the old version in the directory beside the target. */
  const MISHAPS: Readonly<Record<string, (file: string, directory: string) => void>> = {
    'has another bit': (file) => flip(file, 20 * MIB),
    'has another bit, and its old date': (file) => {
      const { atime, mtime } = statSync(file);
      flip(file, 20 * MIB);
      utimesSync(file, atime, mtime);
    },
    'is cut short': (file) => truncateSync(file, 10 * MIB + 1),
    'is empty': (file) => truncateSync(file, 0),
    'is longer': (file) => truncateSync(file, 60 * MIB),
    'is gone': (file) => rmSync(file),
    'is a link to another file': (file, directory) => {
      rmSync(file);
      writeFileSync(join(directory, 'other'), random(9, 30 * MIB));
      symlinkSync('other', file);
    },
    'is a link to itself': (file) => {
      rmSync(file);
      symlinkSync(PATH, file);
    },
    'is a directory': (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    // To open one for reading waits for a writer.
    'is a pipe': (file) => {
      rmSync(file);
      execFileSync('mkfifo', [file]);
    },
    'may only be read': (file, directory) => {
      chmodSync(file, 0o444);
      chmodSync(directory, 0o555);
    },
    'has broken records of its chunks': (_file, directory) => {
      const records = join(directory, '.cache', 'fetch', 'chunks');
      for (const name of readdirSync(records)) writeFileSync(join(records, name), random(4, 5000));
    },
  };

  test.each(Object.keys(MISHAPS))('an old version that %s costs time, and nothing else', async (mishap) => {
    await using world = await open();
    await world.run(['--protocol', 'xet']);
    const directory = world.workspace.path('updates');
    MISHAPS[mishap]!(join(directory, PATH), directory);
    await world.run(['--revision', 'next']);
    expect(await world.isRight('next', 'updates_next')).toBe(true);
    chmodSync(directory, 0o755);
  });

  test('an old version that changes all the time costs time, and nothing else', async () => {
    await using world = await open();
    await world.run(['--protocol', 'xet']);
    const file = openSync(world.workspace.path('updates', PATH), 'r+');
    let at = 0;
    const changing = setInterval(() => {
      at = (at + 1_000_003) % a.length;
      writeSync(file, '?', at);
    }, 1);
    try {
      await world.run(['--revision', 'next']);
    } finally {
      clearInterval(changing);
      closeSync(file);
    }
    expect(await world.isRight('next', 'updates_next')).toBe(true);
  });
});

function flip(file: string, offset: number): void {
  const content = readFileSync(file);
  content[offset]! ^= 1;
  writeFileSync(file, content);
}
