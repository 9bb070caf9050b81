import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { StallWatch } from '../../../src/http/stall-watch.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';

test('silence for the limit is told once, whatever came before', async () => {
  const clock = new ManualClock();
  const stalls: number[] = [];
  const watch = new StallWatch(clock, 1000, () => stalls.push(clock.monotonic()));
  await clock.advance(900);
  watch.touch();
  await clock.advance(999);
  expect(stalls).toEqual([]);
  await clock.advance(5000);
  expect(stalls).toEqual([1900]);
  expect(clock.timers).toBe(0);
});

test('bytes that came while this process stood count; silence after that is told', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [sender] = await accepted;
  const seen: string[] = [];
  const stalled = new Promise<void>((resolve) => {
    const watch = new StallWatch(systemClock, 300, () => {
      seen.push('stall');
      resolve();
    });
    socket.on('data', () => {
      seen.push('byte');
      watch.touch();
    });
  });
  sender.write('x');
  // Nothing of this process runs meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  await stalled;
  expect(seen).toEqual(['byte', 'stall']);
  socket.destroy();
  sender.destroy();
  await new Promise((resolve) => server.close(resolve));
});
