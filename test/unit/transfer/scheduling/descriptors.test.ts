import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../../src/model/error.ts';
import {
  DescriptorGuard,
  fitDescriptors,
  isDescriptorShortage,
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
