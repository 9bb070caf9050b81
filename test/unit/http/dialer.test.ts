import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Dialer } from '../../../src/http/dialer.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { FakeDialling, type Fate } from '../../support/fake-dialling.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { serveHttp } from '../../support/server.ts';

const { signal } = new AbortController();
const TARGET = { host: 'cdn.example', port: 443 };
const V6 = '2001:db8::1';
const V6B = '2001:db8::2';
const V4 = '192.0.2.1';
const V4B = '192.0.2.2';

function scene(fates: Record<string, Fate>) {
  const clock = new ManualClock();
  const fake = new FakeDialling(clock, fates);
  const dialer = new Dialer({ clock, lookup: fake.lookup, connect: fake.connect });
  /** The address that won, or the code of the error, and when. */
  const dial = (aborting = signal) => {
    const outcome: { end?: string; at?: number; socket?: Socket } = {};
    const done = (end: string, socket?: Socket) =>
      Object.assign(outcome, { end, at: clock.monotonic(), socket });
    dialer.dial(TARGET, { signal: aborting }).then(
      (socket) => done(String(socket.remoteAddress), socket),
      (error) => done(error.code ?? error.message),
    );
    return outcome;
  };
  return { clock, fake, dialer, dial };
}

describe('connecting', () => {
  test('to a host that is 300 ms away: no attempt is given up', async () => {
    const { clock, fake, dial } = scene({ [V6]: { afterMs: 300 }, [V4]: { afterMs: 300 } });
    const outcome = dial();
    await clock.advance(1000);
    expect(outcome).toMatchObject({ end: V6, at: 300 });
    expect(fake.begun).toEqual([
      [V6, 0],
      [V4, 250],
    ]);
    expect(fake.destroyed).toEqual([V4]);
  });

  test('without a route over one family, to a far host over the other', async () => {
    const { clock, fake, dial } = scene({
      [V6]: { afterMs: 0, error: 'ENETUNREACH' },
      [V4]: { afterMs: 5000 },
    });
    const outcome = dial();
    await clock.advance(6000);
    expect(outcome).toMatchObject({ end: V4, at: 5000 });
    expect(fake.begun.length).toBe(2);
  });

  test('past a dead family costs a quarter of a second, and only once', async () => {
    const { clock, fake, dial } = scene({
      [V6]: 'silence',
      [V6B]: 'silence',
      [V4]: { afterMs: 20 },
      [V4B]: { afterMs: 20 },
    });
    const first = dial();
    await clock.advance(1000);
    expect(first).toMatchObject({ end: V4, at: 270 });
    const second = dial();
    await clock.advance(1000);
    expect(second).toMatchObject({ at: 1020 });
    expect(fake.begun.slice(2).map(([address]) => address)).toEqual([V4]);
    expect(fake.looked).toEqual(['cdn.example']);
  });

  test('tries families in turns, whatever the look-up says first', async () => {
    const { clock, fake, dial } = scene({
      [V6]: 'silence',
      [V6B]: 'silence',
      [V4]: 'silence',
      [V4B]: 'silence',
    });
    dial();
    await clock.advance(10_000);
    expect(fake.begun).toEqual([
      [V6, 0],
      [V4, 250],
      [V6B, 500],
      [V4B, 750],
    ]);
  });

  test('that every address refuses ends at once, with what a server said', async () => {
    const { clock, dial } = scene({
      [V4]: { afterMs: 10, error: 'ECONNREFUSED' },
      [V6]: { afterMs: 10, error: 'ENETUNREACH' },
    });
    const outcome = dial();
    await clock.advance(100);
    expect(outcome).toMatchObject({ end: 'ECONNREFUSED', at: 20 });
  });

  test('ends with the signal, and leaves nothing behind', async () => {
    const { clock, fake, dial } = scene({ [V6]: 'silence', [V4]: 'silence' });
    const controller = new AbortController();
    const outcome = dial(controller.signal);
    await clock.advance(400);
    controller.abort(new Error('enough'));
    await clock.advance(0);
    expect(outcome).toMatchObject({ end: 'enough', at: 400 });
    expect(fake.destroyed).toEqual([V6, V4]);
    expect(clock.timers).toBe(0);
  });

  test('ends with the signal while the name is looked up', async () => {
    const dialer = new Dialer({ clock: systemClock, lookup: () => new Promise(() => {}) });
    const controller = new AbortController();
    const dial = dialer.dial(TARGET, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(dial).rejects.toThrow('enough');
  });

  test('to an address looks nothing up and waits for nothing', async () => {
    const clock = new ManualClock();
    const fake = new FakeDialling(clock, { '127.0.0.1': { afterMs: 1 } });
    const dialer = new Dialer({ clock, lookup: fake.lookup, connect: fake.connect });
    const dial = dialer.dial({ host: '127.0.0.1', port: 80 }, { signal });
    await clock.advance(0);
    expect(clock.timers).toBe(1);
    await clock.advance(1);
    expect((await dial).remoteAddress).toBe('127.0.0.1');
    expect(fake.looked).toEqual([]);
  });

  test('looks a name up once for all that ask at the same time, and again after a while', async () => {
    const { clock, fake, dial } = scene({ [V4]: { afterMs: 10 } });
    for (let count = 0; count < 32; count += 1) dial();
    await clock.advance(100);
    expect(fake.begun.length).toBe(32);
    expect(fake.looked.length).toBe(1);
    await clock.advance(60_000);
    const later = dial();
    await clock.advance(10);
    expect(later).toMatchObject({ end: V4 });
    expect(fake.looked.length).toBe(2);
  });

  test('goes on with old addresses where the name cannot be looked up any more', async () => {
    const clock = new ManualClock();
    const fake = new FakeDialling(clock, { [V4]: { afterMs: 10 } });
    let broken = false;
    const lookup = async (host: string) => {
      if (broken) throw Object.assign(new Error('no resolver'), { code: 'EAI_AGAIN' });
      return await fake.lookup(host);
    };
    const dialer = new Dialer({ clock, lookup, connect: fake.connect });
    for (const _ of [1, 2]) {
      const dial = dialer.dial(TARGET, { signal });
      await clock.advance(100_000);
      expect((await dial).remoteAddress).toBe(V4);
      broken = true;
    }
  });

  test('without a descriptor left blames no address', async () => {
    const { clock, fake, dial } = scene({ [V4]: { afterMs: 0, error: 'EMFILE' }, [V4B]: { afterMs: 0 } });
    fake.fates[V4B] = { afterMs: 0, error: 'EMFILE' };
    const outcome = dial();
    await clock.advance(10);
    expect(outcome.end).toBe('EMFILE');
    fake.fates[V4] = { afterMs: 1 };
    const again = dial();
    await clock.advance(10);
    expect(again.end).toBe(V4);
  });
});

describe('an address that failed', () => {
  test('comes last from now on', async () => {
    const { clock, fake, dialer, dial } = scene({ [V4]: { afterMs: 10 }, [V4B]: { afterMs: 10 } });
    dialer.failed('cdn.example', V4);
    const first = dial();
    await clock.advance(100);
    expect(first.end).toBe(V4);
    // It was unknown before the look-up: now it counts.
    dialer.failed('cdn.example', V4);
    expect(dialer.favours('cdn.example', V4)).toBe(false);
    expect(dialer.favours('cdn.example', V4B)).toBe(true);
    const second = dial();
    await clock.advance(100);
    expect(second.end).toBe(V4B);
    expect(fake.begun.at(-1)?.[0]).toBe(V4B);
  });

  test('is tried again when all have failed, the oldest failure first, after a new look-up', async () => {
    const { clock, fake, dialer, dial } = scene({ [V4]: { afterMs: 10 }, [V4B]: { afterMs: 10 } });
    const ends: (string | undefined)[] = [];
    for (let count = 0; count < 4; count += 1) {
      const outcome = dial();
      await clock.advance(100);
      ends.push(outcome.end);
      dialer.failed('cdn.example', String(outcome.end));
    }
    expect(ends).toEqual([V4, V4B, V4, V4B]);
    expect(dialer.favours('cdn.example', V4)).toBe(true);
    expect(fake.looked.length).toBeGreaterThan(1);
  });

  test('is whatever connections lead to when they are too many', async () => {
    const { clock, dialer, dial } = scene({ [V4]: { afterMs: 10 }, [V4B]: { afterMs: 10 } });
    const first = dial();
    await clock.advance(100);
    dialer.elsewhere();
    const second = dial();
    await clock.advance(100);
    first.socket?.destroy();
    second.socket?.destroy();
    dialer.elsewhere();
    const third = dial();
    await clock.advance(100);
    expect([first.end, second.end, third.end]).toEqual([V4, V4B, V4B]);
  });
});

describe('real connections', () => {
  const here = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));

  test('leave an address where no server listens', async () => {
    await using server = await serveHttp((_, response) => response.end('hello'));
    const dialer = new Dialer({ clock: systemClock, lookup: async () => here });
    for (const _ of [1, 2]) {
      const socket = await dialer.dial({ host: 'cdn.example', port: server.port }, { signal });
      expect(socket.remoteAddress).toBe('127.0.0.1');
      socket.destroy();
    }
  });

  // Only Linux drops what knocks at a full queue.
  test.skipIf(process.platform !== 'linux')(
    'are made where every handshake takes longer than a head start',
    async () => {
      // The system knocks again after a second.
      const server = new Worker(SLOW_SERVER, { eval: true });
      const port = await new Promise<number>((resolve) => server.once('message', resolve));
      const dialer = new Dialer({ clock: systemClock, lookup: async () => here });
      const controller = new AbortController();
      const dials = Array.from({ length: 8 }, () =>
        dialer.dial({ host: 'cdn.example', port }, { signal: controller.signal }),
      );
      for (const dial of dials) (await dial).destroy();
      await server.terminate();
    },
  );
});

/** Listens everywhere, and accepts no connection for a while. */
const SLOW_SERVER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}));
  server.listen({ host: '0.0.0.0', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
  });
`;
