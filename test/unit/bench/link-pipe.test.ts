import { describe, expect, test } from 'vitest';
import { LinkPipe, type LinkTime, type PipeOptions } from '../../bench/link-pipe.ts';

const MB = 1_000_000;

/** Time that passes in no time. Its timers are late, as those of Node are: by up to a few milliseconds. */
class SimulatedTime implements LinkTime {
  #now = 5000;
  #seed = 1;
  readonly #lateMs: number;
  readonly #timers = new Set<{ dueAt: number; readonly callback: () => void }>();

  constructor(lateMs: number) {
    this.#lateMs = lateMs;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    const late = (this.#seed / 2_147_483_647) * this.#lateMs;
    const timer = { dueAt: Math.ceil(this.#now + delayMs) + late, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Runs until nothing is left to do. */
  run(): void {
    for (;;) {
      const next = [...this.#timers].sort((left, right) => left.dueAt - right.dueAt)[0];
      if (next === undefined) return;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.dueAt);
      next.callback();
    }
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

interface Line {
  readonly time: SimulatedTime;
  /** Sends so many bytes from a source that always has more, and says how long until the last has arrived. */
  send(size: number): number;
  readonly arrived: () => number;
}

function line(options: Omit<PipeOptions, 'sink' | 'time'>, lateMs = 3): Line {
  const time = new SimulatedTime(lateMs);
  let arrived = 0;
  let left = 0;
  const sink = {
    destroyed: false,
    write(data: Buffer) {
      arrived += data.length;
      return true;
    },
    once: () => {},
    end: () => {},
  };
  const pipe = new LinkPipe({ ...options, sink, time });
  let reading = false;
  const read = (): void => {
    if (reading) return;
    reading = true;
    while (left > 0 && !pipe.full) {
      const piece = Buffer.alloc(Math.min(left, pipe.readSize));
      left -= piece.length;
      pipe.take(piece);
    }
    reading = false;
  };
  pipe.source = { resume: read };
  return {
    time,
    arrived: () => arrived,
    send(size) {
      const began = time.now();
      left = size;
      read();
      time.run();
      return time.now() - began;
    },
  };
}

describe('the rate', () => {
  test.each([0.1, 1, 5, 20, 60, 200])('is within 3 % of %d MB/s, with late timers', (rate) => {
    const { send, arrived } = line({ bytesPerSecond: rate * MB, delayMs: 0, windowBytes: undefined });
    const took = send(2 * rate * MB);
    expect(took).toBeGreaterThan(1940);
    expect(took).toBeLessThan(2060);
    expect(arrived()).toBe(2 * rate * MB);
  });

  test('holds from the first byte on, and a rest earns no burst', () => {
    const { send, time } = line({ bytesPerSecond: 10 * MB, delayMs: 0, windowBytes: undefined }, 0);
    for (let turn = 0; turn < 3; turn += 1) {
      const took = send(500_000);
      expect(took).toBeGreaterThan(49);
      expect(took).toBeLessThan(53);
      time.pass(1000);
    }
  });

  test('and the delay add up', () => {
    const options = { bytesPerSecond: 20 * MB, delayMs: 25, windowBytes: undefined };
    const took = line(options).send(20 * MB);
    // One second of sending, and two delays until the last byte is acknowledged.
    expect(took).toBeGreaterThan(1045);
    expect(took).toBeLessThan(1080);
  });
});

describe('the window', () => {
  test('limits throughput to itself in a round trip, once it is open', () => {
    const { send } = line({ bytesPerSecond: undefined, delayMs: 25, windowBytes: MB }, 0);
    const first = send(20 * MB);
    const second = send(20 * MB);
    expect(second).toBeGreaterThan(990);
    expect(second).toBeLessThan(1070);
    // It doubles from 14.6 kB: about six round trips that carry little.
    expect(first - second).toBeGreaterThan(200);
    expect(first - second).toBeLessThan(350);
  });
});

test('nothing arrives before the connection would be open', () => {
  const time = new SimulatedTime(0);
  const times: number[] = [];
  const sink = { destroyed: false, write: () => times.push(time.now()) > 0, once: () => {}, end: () => {} };
  const opensAt = time.now() + 50;
  const pipe = new LinkPipe({
    ...{ sink, time, opensAt, delayMs: 25 },
    ...{ bytesPerSecond: undefined, windowBytes: undefined },
  });
  pipe.take(Buffer.alloc(100));
  time.run();
  expect(times).toEqual([opensAt + 25]);
});
