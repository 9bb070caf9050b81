import { readFileSync, writeSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import type { TransferEvent } from '../../../src/model/event.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { createEnvironment } from '../../../src/operations/create-environment.ts';
import { runSettings } from '../../../src/operations/options.ts';
import { makePlan } from '../../../src/plan/make-plan.ts';
import type { Source } from '../../../src/source/source.ts';
import type { Store } from '../../../src/store/store.ts';
import { type Clock, systemClock } from '../../../src/system/clock.ts';
import { runPlan } from '../../../src/transfer/execute-plan.ts';
import type { RunResult } from '../../../src/transfer/transfer-context.ts';
import type { TransferSettings } from '../../../src/transfer/transfer-settings.ts';
import type { RangeJob, RangeObserver, Transport } from '../../../src/transfer/transport/transport.ts';
import { compiled } from '../../support/compiled.ts';
import { directoryStore } from '../../support/directory-store.ts';
import { bytes, gitFile, lfsFile, MIB, never, revision } from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

// Compiled, because its thread needs a compiled file beside it.
const module = new URL('hash/hash-pool.js', compiled()).href;
const { HashPool } = (await import(module)) as typeof import('../../../src/hash/hash-pool.ts');

const PIECE = MIB / 4;

/** So that what takes seconds of silence in earnest takes milliseconds here. */
function hurried(times: number): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now() * times,
    after: (delayMs, callback) => systemClock.after(delayMs / times, callback),
    sleep: (delayMs, signal) => systemClock.sleep(delayMs / times, signal),
  };
}

const source = {
  name: 'none',
  locate: async () => ({
    kind: 'http' as const,
    url: 'http://127.0.0.1/',
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any',
  }),
} as unknown as Source;

const ENVIRONMENT = createEnvironment();

function settings(tries: number): TransferSettings {
  const retry = { tries, baseDelayMs: 1, maxDelayMs: 1, maxServerDelayMs: 1 };
  return { ...runSettings({}).transfer, retry };
}

interface Outcome {
  readonly result: RunResult | undefined;
  readonly failure: unknown;
  readonly events: readonly TransferEvent[];
}

/** The real engine, store and hasher, with a transport of the test's own. */
async function run(
  store: Store,
  files: readonly RemoteFile[],
  transport: Transport,
  { connections = 6, clock = systemClock, signal = never } = {},
): Promise<Outcome> {
  const plan = makePlan(revision(), files, await store.survey(files, never));
  const events: TransferEvent[] = [];
  await using hasher = new HashPool(2);
  try {
    const result = await runPlan(plan, {
      source,
      store,
      hasher,
      transport,
      settings: settings(3),
      limits: { connections, largeConnections: connections, waitingFiles: 64 },
      environment: { ...ENVIRONMENT, clock },
      emit: (event) => events.push(event),
      signal,
    });
    return { result, failure: undefined, events };
  } catch (failure) {
    return { result: undefined, failure, events };
  }
}

describe('a connection that ends a slow write after others have brought the same bytes', () => {
  const content = bytes(24 * MIB, 3);
  const file = lfsFile('model.bin', content);

  /** Some connections fall silent; when they are told to stop they still write, and other bytes. */
  class Overlapping implements Transport {
    late = 0;
    readonly #written = { bytes: 0 };
    #seed: number;

    constructor(seed: number) {
      this.#seed = seed;
    }

    #chance(): number {
      this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return this.#seed / 2 ** 31;
    }

    async bring(
      { window, descriptor }: RangeJob,
      observer: RangeObserver,
      signal: AbortSignal,
    ): Promise<void> {
      const spoilt = this.late < 3 && this.#chance() < 0.5;
      const from = window.position;
      for (let count = 0; window.position < window.end; count += 1) {
        if (spoilt && count === 1) {
          this.late += 1;
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          // By then others have brought it, and as a rule it is hashed.
          await setTimeout(20 + this.#chance() * 60);
          const end = Math.min(content.length, from + PIECE * 2);
          writeSync(descriptor, Buffer.alloc(end - from, 'late'), 0, end - from, from);
          observer.wrote({ start: from, end });
        }
        signal.throwIfAborted();
        const start = window.position;
        const end = Math.min(window.end, start + PIECE);
        writeSync(descriptor, content, start, end - start, start);
        window.position = end;
        this.#written.bytes += end - start;
        observer.wrote({ start, end });
        await setImmediate();
      }
    }
  }

  test.each(Array.from({ length: 8 }, (_, seed) => seed + 1))(
    'never leaves its bytes under the name of the file: seed %i',
    async (seed) => {
      const directory = temporaryDirectory();
      const transport = new Overlapping(seed * 7919);
      await using store = directoryStore({ directory });
      await store.open();
      const { result, failure } = await run(store, [file], transport, { clock: hurried(100) });
      expect(failure).toBeUndefined();
      expect(transport.late).toBeGreaterThan(0);
      if (result?.failures.length === 0) {
        expect(readFileSync(store.finalPath(file)).equals(content)).toBe(true);
      } else {
        expect(result?.failures[0]?.error.code).toBe('INTEGRITY');
        expect(() => readFileSync(store.finalPath(file))).toThrow('ENOENT');
      }
    },
  );
});

const honest = (contents: ReadonlyMap<string, Buffer>): Transport => ({
  async bring({ path, window, descriptor }, observer) {
    const content = contents.get(path)!;
    const { position: start, end } = window;
    writeSync(descriptor, content, start, end - start, start);
    window.position = end;
    observer.wrote({ start, end });
  },
});

describe('an empty file', () => {
  const empty = Buffer.alloc(0);

  test.each([
    ['sha256', { path: 'empty.txt', size: 0, digest: { algorithm: 'sha256' as const, hex: 'b'.repeat(64) } }],
    [
      'git blob',
      { path: 'empty.txt', size: 0, digest: { algorithm: 'git-sha1' as const, hex: 'b'.repeat(40) } },
    ],
  ])('whose %s is that of something else fails, and the others are brought', async (_, wrong) => {
    const some = bytes(1000);
    const other = gitFile('a.txt', some);
    await using store = directoryStore({ directory: temporaryDirectory() });
    await store.open();
    const { result, failure, events } = await run(store, [other, wrong], honest(new Map([['a.txt', some]])));
    expect(failure).toBeUndefined();
    expect(result?.failures.map(({ path, error }) => [path, error.code])).toEqual([
      ['empty.txt', 'INTEGRITY'],
    ]);
    expect(() => readFileSync(store.finalPath(wrong))).toThrow('ENOENT');
    expect(readFileSync(store.finalPath(other)).equals(some)).toBe(true);
    expect(events.filter(({ type }) => type === 'retrying')).toEqual([]);
  });

  test('that is right is made', async () => {
    await using store = directoryStore({ directory: temporaryDirectory() });
    await store.open();
    const files = [gitFile('empty.txt', empty), lfsFile('other', empty)];
    const { result } = await run(store, files, honest(new Map()));
    expect(result?.failures).toEqual([]);
    for (const file of files) expect(readFileSync(store.finalPath(file)).length).toBe(0);
  });
});

test('a file that the hub and a lock name differently never gets its name, and is fetched once', async () => {
  const content = bytes(300_000);
  const locked = { ...gitFile('config.json', content), sha256: 'c'.repeat(64) };
  await using store = directoryStore({ directory: temporaryDirectory() });
  await store.open();
  const { result, events } = await run(store, [locked], honest(new Map([['config.json', content]])));
  expect(result?.failures[0]?.error).toMatchObject({
    code: 'INTEGRITY',
    message: expect.stringContaining('config.json has another sha256 than the lock names'),
  });
  expect(() => readFileSync(store.finalPath(locked))).toThrow('ENOENT');
  expect(events.filter(({ type }) => type === 'bytes')).toHaveLength(1);
});

test('files that nothing works on end the run with their names, not with a wait without end', async () => {
  const content = bytes(1000);
  const files = [gitFile('a.txt', content), gitFile('b.txt', content)];
  await using store = directoryStore({ directory: temporaryDirectory() });
  await store.open();
  // A part that says that all of it is there, and that it is not complete: nothing is queued, nothing is under way.
  const received = { ranges: [{ start: 0, end: content.length }], size: 1, prefix: () => 1 };
  const staged = { received, partPath: store.finalPath(files[0]!), [Symbol.asyncDispose]: async () => {} };
  const broken = { ...store, stage: async () => staged } as unknown as Store;
  const held = [{ start: 0, end: content.length }];
  const holdings = new Map(files.map(({ path }) => [path, { kind: 'part' as const, part: held }]));
  const plan = makePlan(revision(), files, { holdings, freeBytes: undefined });
  await using hasher = new HashPool(1);
  const failure = await runPlan(plan, {
    source,
    store: broken,
    hasher,
    transport: honest(new Map()),
    settings: settings(1),
    limits: { connections: 2, largeConnections: 2, waitingFiles: 64 },
    environment: ENVIRONMENT,
    emit: () => {},
    signal: never,
  }).catch((error) => error);
  expect(failure).toBeInstanceOf(FetchError);
  expect(failure).toMatchObject({ code: 'BUG', message: expect.stringContaining('a.txt') });
});
