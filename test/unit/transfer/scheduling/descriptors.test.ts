import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../../src/model/error.ts';
import {
  DescriptorGuard,
  fitDescriptors,
  isDescriptorShortage,
  whenDescriptorsAreFree,
} from '../../../../src/transfer/scheduling/descriptors.ts';

test('connections and waiting files fit into what is free', () => {
  expect(fitDescriptors(undefined, 32)).toEqual({ connections: 32, waitingFiles: 72 });
  expect(fitDescriptors(1_000_000, 256)).toEqual({ connections: 256, waitingFiles: 72 });
  for (let free = 0; free < 2000; free += 1) {
    const { connections, waitingFiles } = fitDescriptors(free, 256);
    expect(connections).toBeGreaterThanOrEqual(1);
    expect(waitingFiles).toBeGreaterThanOrEqual(1);
    if (free >= 48) expect(5 * connections + 3 * waitingFiles + 40).toBeLessThanOrEqual(free);
  }
});

test('a shortage is known by its cause, and other failures are none', () => {
  const failure = (code: string) =>
    new FetchError('DISK', 'x', { cause: Object.assign(new Error(code), { code }) });
  expect(['EMFILE', 'ENFILE', 'ENOSPC', 'EACCES'].map((code) => isDescriptorShortage(failure(code)))).toEqual(
    [true, true, false, false],
  );
});

describe('a hash that finds no descriptor', () => {
  /** An action that fails so often, and what became of it, by a clock that only sleep moves. */
  async function attempt(failures: number, code: string) {
    let now = 0;
    let tries = 0;
    const clock = {
      monotonic: () => now,
      sleep: async (delayMs: number) => {
        now += delayMs;
      },
    };
    const action = async () => {
      tries += 1;
      if (tries > failures) return 'hashed';
      throw new FetchError('DISK', 'x', { cause: Object.assign(new Error(code), { code }) });
    };
    const ended = await whenDescriptorsAreFree(action, clock, new AbortController().signal).catch(
      ({ message }: Error) => message,
    );
    return { ended, tries, seconds: now / 1000 };
  }

  test('waits until others release theirs', async () => {
    expect(await attempt(50, 'EMFILE')).toEqual({ ended: 'hashed', tries: 51, seconds: 5 });
  });

  test('gives up after five minutes, and at once where it is another error', async () => {
    expect(await attempt(Number.POSITIVE_INFINITY, 'ENFILE')).toEqual({
      ended: 'x',
      tries: 3001,
      seconds: 300,
    });
    expect(await attempt(1, 'EIO')).toEqual({ ended: 'x', tries: 1, seconds: 0 });
  });
});

describe('connections', () => {
  test('are fewer after each shortage, down to one', () => {
    const room = new DescriptorGuard(32);
    let working = 0;
    const allowed: number[] = [];
    for (let now = 0; now < 800; now += 100) {
      while (!room.full(now)) {
        room.enter();
        working += 1;
      }
      allowed.push(working);
      expect(room.short(now)).toBe(true);
      expect(room.full(now + 50)).toBe(true);
      for (; working > 0; working -= 1) room.leave();
    }
    expect(allowed).toEqual([32, 16, 8, 4, 2, 1, 1, 1]);
  });

  test('give up when one alone finds nothing, again and again, and begin to count anew when it works', () => {
    const room = new DescriptorGuard(1);
    room.enter();
    const tries = () => {
      let count = 1;
      while (room.short(count * 100)) count += 1;
      return count;
    };
    expect(tries()).toBe(20);
    room.worked();
    expect(tries()).toBe(20);
  });
});
