import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import { DirectoryLock } from '../../../src/store/directory-lock.ts';
import type { Clock } from '../../../src/system/clock.ts';
import { isLocalDisk } from '../../../src/system/disk/local-disk.ts';
import type { ProcessContext } from '../../../src/system/process-identity.ts';
import { failureOf } from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A clock that stands until it is set; timers run when a test says so. */
class StoppedClock implements Clock {
  time = 1_700_000_000_000;
  readonly timers = new Set<() => void>();

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(_delayMs: number, callback: () => void): () => void {
    this.timers.add(callback);
    return () => this.timers.delete(callback);
  }

  sleep: Clock['sleep'] = async () => {};

  ring(): void {
    const due = [...this.timers];
    this.timers.clear();
    for (const callback of due) callback();
  }
}

let path: string;
let clock: StoppedClock;
/** Starts of the processes that live on this host. */
let living: Map<number, string>;
beforeEach(() => {
  path = join(temporaryDirectory(), 'lock');
  clock = new StoppedClock();
  living = new Map([
    [1, 'start 1'],
    [2, 'start 2'],
  ]);
});

function contextOf(pid: number, host = 'here', startedAt = `start ${pid}`): ProcessContext {
  const processStart = (asked: number) => living.get(asked);
  return { owner: { pid, host, startedAt }, processStart, clock, random: Math.random };
}

/** A lock file left by another process. */
function leave(content: string | object, ageMs = 0): void {
  writeFileSync(path, typeof content === 'string' ? content : `${JSON.stringify(content)}\n`);
  age(ageMs);
}

function age(ageMs: number): void {
  const seconds = (clock.time - ageMs) / 1000;
  utimesSync(path, seconds, seconds);
}

function owner(): unknown {
  const { pid, host, startedAt } = JSON.parse(readFileSync(path, 'utf8'));
  return { pid, host, startedAt };
}

async function isTaken(context: ProcessContext = contextOf(1)): Promise<FetchError | undefined> {
  const before = readFileSync(path);
  try {
    await using _lock = await DirectoryLock.take(path, context);
    expect(owner()).toEqual(context.owner);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    expect(error.code).toBe('LOCKED');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(dirname(path))).toEqual(['lock']);
    return error;
  }
  expect(readdirSync(dirname(path))).toEqual([]);
  return undefined;
}

describe('a free lock', () => {
  test('is taken, says by whom, and goes with its owner', async () => {
    const lock = await DirectoryLock.take(path, contextOf(1));
    expect(owner()).toEqual({ pid: 1, host: 'here', startedAt: 'start 1' });
    await lock[Symbol.asyncDispose]();
    await lock[Symbol.asyncDispose]();
    expect(readdirSync(dirname(path))).toEqual([]);
    expect(clock.timers.size).toBe(0);
  });

  test('cannot be taken where there is no directory', async () => {
    const error = await failureOf(DirectoryLock.take(join(dirname(path), 'none', 'lock'), contextOf(1)));
    expect(error.code).toBe('DISK');
  });
});

describe('a lock of this host', () => {
  test('holds while its process lives, however old its heartbeat', async () => {
    leave(contextOf(2).owner, 24 * 3600 * 1000);
    const error = await isTaken();
    expect(error?.message).toContain('process 2');
    expect(error?.hint).toContain(path);
  });

  test('holds against its own process', async () => {
    await using _lock = await DirectoryLock.take(path, contextOf(1));
    expect(await isTaken()).toBeDefined();
  });

  test('of a dead process is taken over', async () => {
    leave(contextOf(3).owner);
    expect(await isTaken()).toBeUndefined();
  });

  test('of a process whose id was given away again is taken over', async () => {
    leave({ ...contextOf(2).owner, startedAt: 'long ago' });
    expect(await isTaken()).toBeUndefined();
  });

  test.each([
    ['the lock does not say when it began', () => leave({ pid: 2, host: 'here' })],
    [
      'the system does not say',
      () => {
        living.set(2, '');
        leave(contextOf(2).owner);
      },
    ],
  ])('holds if %s', async (_, prepare) => {
    prepare();
    expect(await isTaken()).toBeDefined();
  });
});

describe('a lock of another host', () => {
  const foreign = { pid: 1, host: 'there', startedAt: 'start 1' };

  test('holds while its heart beats', async () => {
    leave(foreign, 59_000);
    expect((await isTaken())?.message).toContain('process 1 on there');
  });

  test('is taken over after a minute of silence', async () => {
    leave(foreign, 61_000);
    expect(await isTaken()).toBeUndefined();
  });
});

describe('who is here', () => {
  const own = { ...contextAt('boot-1/pid:[1]') };
  function contextAt(machine: string): ProcessContext {
    return {
      owner: { pid: 1, host: 'here', machine, startedAt: 'start 1' },
      processStart: () => undefined,
      clock: {
        now: () => 1_700_000_000_000,
        monotonic: () => 0,
        after: () => () => {},
        sleep: async () => {},
      },
      random: Math.random,
    };
  }

  test.each([
    ['another space of process ids', 'boot-1/pid:[2]'],
    ['another start of a machine that shares the disk', 'boot-2/pid:[1]'],
  ])(
    'a process of %s with our name for the host is not dead because we do not see it',
    async (_, machine) => {
      // The disk may be shared with other machines.
      const other = { pid: 7, host: 'here', machine, startedAt: 'start 7' };
      leave(other, 5_000);
      const error = await failureOf(DirectoryLock.take(path, own)).catch(() => undefined);
      if (machine.startsWith('boot-1') || !isLocalDisk(dirname(path))) expect(error?.code).toBe('LOCKED');
    },
  );

  test('a process of an earlier start of the machine is dead, on a disk that only this machine writes to', async () => {
    leave({ pid: 7, host: 'here', machine: 'boot-0/pid:[1]', startedAt: 'start 7' }, 1000);
    if (!isLocalDisk(dirname(path))) return;
    await (await DirectoryLock.take(path, own))[Symbol.asyncDispose]();
  });

  test('version 0.1.0 named only the host', async () => {
    leave({ pid: 7, host: 'here', startedAt: 'start 7' }, 1000);
    await (await DirectoryLock.take(path, own))[Symbol.asyncDispose]();
  });
});

describe('the clock of another host', () => {
  const foreign = { pid: 1, host: 'there', startedAt: 'start 1' };

  /** Something happens while we wait. */
  function whileWaiting(happens: (waits: number) => void): string[] {
    let waits = 0;
    clock.sleep = async () => {
      waits += 1;
      happens(waits);
    };
    return [];
  }

  test.each([
    ['an hour behind ours', 3_600_000],
    ['an hour ahead of ours', -3_600_000],
  ])('%s does not make a living lock stale', async (_, ageMs) => {
    leave(foreign, ageMs);
    // Its heart beats, by its own clock.
    whileWaiting((waits) => {
      if (waits === 9) age(ageMs - 10_000);
    });
    expect(await isTaken()).toBeDefined();
  });

  test.each([3_600_000, -3_600_000])('of %i ms does not make a dead one last', async (ageMs) => {
    leave(foreign, ageMs);
    let waited = 0;
    whileWaiting((waits) => {
      waited = waits;
    });
    const notes: string[] = [];
    await using lock = await DirectoryLock.take(path, contextOf(1), { note: (note) => notes.push(note) });
    expect(lock).toBeDefined();
    expect(waited).toBe(60);
    expect(notes).toEqual([expect.stringContaining('process 1 on there')]);
  });

  test('waiting for it ends with a signal', async () => {
    leave(foreign, 3_600_000);
    const controller = new AbortController();
    clock.sleep = async (_, signal) => {
      controller.abort(new Error('enough'));
      signal?.throwIfAborted();
    };
    const taken = DirectoryLock.take(path, contextOf(1), { signal: controller.signal });
    await expect(taken).rejects.toThrow('enough');
    expect(owner()).toEqual(foreign);
  });
});

describe('a run whose turn will come', () => {
  test('waits as long as others take their turns, says so, and has an end', async () => {
    leave(contextOf(2).owner);
    const notes: string[] = [];
    let waits = 0;
    clock.sleep = async () => {
      waits += 1;
      clock.time += 1000;
      // Another one every five minutes, for half an hour.
      if (waits % 300 === 0 && waits < 1800) leave({ ...contextOf(2).owner, since: waits });
      if (waits === 1800) living.delete(2);
    };
    await using lock = await DirectoryLock.wait(path, contextOf(1), { note: (note) => notes.push(note) });
    expect(lock).toBeDefined();
    expect(notes).toHaveLength(1);
    expect(waits).toBe(1800);
  });

  test('gives up when one of them takes ten minutes, and ends with a signal', async () => {
    leave(contextOf(2).owner);
    clock.sleep = async (_, signal) => {
      signal?.throwIfAborted();
      clock.time += 1000;
    };
    expect(await failureOf(DirectoryLock.wait(path, contextOf(1)))).toMatchObject({ code: 'LOCKED' });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(DirectoryLock.wait(path, contextOf(1), { signal })).rejects.toThrow('enough');
  });
});

describe('a lock without an owner', () => {
  test.each([
    '',
    '\0\0\0\0',
    '{"pid":',
    'null',
    '[]',
    '"x"',
    '{"pid":-1,"host":"here"}',
    '{"pid":"2","host":"here"}',
    '{"pid":2}',
  ])('%j holds for a moment, in which it may still be written', async (content) => {
    leave(content, 5_000);
    expect(await isTaken()).toBeDefined();
    leave(content, 11_000);
    expect(await isTaken()).toBeUndefined();
  });

  test('that is a link is replaced, not written through', async () => {
    const target = join(temporaryDirectory(), 'target');
    writeFileSync(target, 'mine');
    utimesSync(target, 1, 1);
    symlinkSync(target, path);
    expect(await isTaken()).toBeUndefined();
    expect(readFileSync(target, 'utf8')).toBe('mine');
  });

  test('that is a directory or a link to nothing holds', async () => {
    mkdirSync(path);
    expect(await failureOf(DirectoryLock.take(path, contextOf(1)))).toMatchObject({ code: 'LOCKED' });
    path = join(temporaryDirectory(), 'lock');
    symlinkSync('nowhere', path);
    expect(await failureOf(DirectoryLock.take(path, contextOf(1)))).toMatchObject({ code: 'LOCKED' });
  });
});

describe('the heartbeat', () => {
  test('shows in the time of the file', async () => {
    const lock = await DirectoryLock.take(path, contextOf(1));
    for (let beat = 0; beat < 3; beat += 1) {
      clock.time += 10_000;
      clock.ring();
      await expect.poll(() => statSync(path).mtimeMs).toBe(clock.time);
    }
    expect(await isTaken(contextOf(5, 'there'))).toBeDefined();
    await lock[Symbol.asyncDispose]();
    clock.ring();
    await setTimeout(20);
    expect(existsSync(path)).toBe(false);
  });
});

describe('a machine that slept', () => {
  test('does not keep the lock of its successor alive, nor what a link leads to', async () => {
    await using _lock = await DirectoryLock.take(path, contextOf(1));
    const theirs = contextOf(9, 'there').owner;
    leave(theirs, 30_000);
    const before = statSync(path).mtimeMs;
    clock.time += 10_000;
    clock.ring();
    await setTimeout(20);
    expect(statSync(path).mtimeMs).toBe(before);
    const target = join(temporaryDirectory(), 'target');
    writeFileSync(target, readFileSync(path));
    utimesSync(target, 1000, 1000);
    unlinkSync(path);
    symlinkSync(target, path);
    clock.ring();
    await setTimeout(20);
    expect(statSync(target).mtimeMs).toBe(1_000_000);
  });
});

describe('a lock that was taken over', () => {
  test('is not released by its former owner', async () => {
    const first = await DirectoryLock.take(path, contextOf(1, 'there'));
    age(61_000);
    const second = await DirectoryLock.take(path, contextOf(2));
    await first[Symbol.asyncDispose]();
    expect(owner()).toMatchObject({ pid: 2 });
    await second[Symbol.asyncDispose]();
    expect(existsSync(path)).toBe(false);
  });
});

describe('of twenty that come at once', () => {
  const pids = Array.from({ length: 20 }, (_, index) => 100 + index);
  beforeEach(() => {
    for (const pid of pids) living.set(pid, `start ${pid}`);
  });

  /** Takers that begin a little apart from each other, so that they are at different steps. */
  async function race(): Promise<readonly DirectoryLock[]> {
    const results = await Promise.allSettled(
      pids.map(async (pid) => {
        for (let wait = Math.floor(Math.random() * 8); wait > 0; wait -= 1) await setImmediate();
        return await DirectoryLock.take(path, contextOf(pid));
      }),
    );
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'LOCKED' });
    }
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  test.each([
    ['a free lock', () => {}],
    ['the lock of a dead process', () => leave(contextOf(3).owner)],
    ['a lock without an owner', () => leave('', 20_000)],
    ['the silent lock of another host', () => leave(contextOf(1, 'there').owner, 70_000)],
  ])('exactly one gets %s', async (_, prepare) => {
    for (let round = 0; round < 40; round += 1) {
      prepare();
      const winners = await race();
      expect(winners).toHaveLength(1);
      await winners[0]![Symbol.asyncDispose]();
      expect(readdirSync(dirname(path))).toEqual([]);
    }
  });

  test('one gets it after another was killed while taking over', async () => {
    for (let round = 0; round < 10; round += 1) {
      const dead = contextOf(3).owner;
      leave(dead);
      const name = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
      writeFileSync(`${path}.${name}`, JSON.stringify(contextOf(4).owner));
      const lock = await DirectoryLock.take(path, contextOf(1));
      expect(owner()).toMatchObject({ pid: 1 });
      await lock[Symbol.asyncDispose]();
      expect(readdirSync(dirname(path))).toEqual([]);
    }
  });
});
