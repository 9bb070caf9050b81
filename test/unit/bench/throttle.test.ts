import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Link, startThrottle, type Throttle } from '../../bench/throttle.ts';

const MB = 1_000_000;
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** Answers a request, which is the decimal number of bytes that are wanted and a line feed. */
async function startSource(): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (line) => socket.write(pattern(Number(line.toString()))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as { port: number }).port;
}

function pattern(size: number): Buffer {
  const block = Buffer.from(Array.from({ length: 251 }, (_, index) => index));
  return Buffer.alloc(size, block);
}

async function through(link: Link): Promise<Throttle> {
  const throttle = await startThrottle({ port: await startSource() }, link);
  open.push(throttle);
  return throttle;
}

/** Milliseconds from asking to the last byte. */
async function transfer(socket: Socket, size: number): Promise<number> {
  const began = performance.now();
  const pieces: Buffer[] = [];
  let got = 0;
  socket.write(`${size}\n`);
  while (got < size) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    pieces.push(piece);
    got += piece.length;
  }
  const took = performance.now() - began;
  expect(Buffer.concat(pieces).equals(pattern(size))).toBe(true);
  return took;
}

async function client(throttle: Throttle): Promise<Socket> {
  const socket = connect({ port: throttle.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  open.push({ close: () => socket.destroy() });
  return socket;
}

// Real time, on a machine that may be busy: a link is never too fast, and link-pipe.test.ts has the exact rates.
describe('through real connections', { retry: 2 }, () => {
  test('bytes arrive whole, and not faster than the rate', async () => {
    const throttle = await through({ bytesPerSecond: 20 * MB });
    const sockets = await Promise.all([1, 2, 3].map(() => client(throttle)));
    const times = await Promise.all(sockets.map((socket) => transfer(socket, 10 * MB)));
    for (const took of times) expect(took).toBeGreaterThan(485);
    expect(throttle.bytesToClients).toBe(30 * MB);
    expect(throttle.connections).toBe(3);
  });

  test('the straggler is the connection of that number, counted anew after a reset', async () => {
    const throttle = await through({
      bytesPerSecond: 20 * MB,
      straggler: { connection: 2, bytesPerSecond: MB / 5 },
    });
    for (let turn = 0; turn < 2; turn += 1) {
      throttle.reset();
      const times: number[] = [];
      for (let index = 0; index < 3; index += 1) {
        times.push(await transfer(await client(throttle), 400_000));
      }
      expect(times[1]).toBeGreaterThan(1940);
      expect(Math.max(times[0]!, times[2]!)).toBeLessThan(times[1]!);
    }
  });

  test('the delay costs a round trip per answer, and one more to connect', async () => {
    const throttle = await through({ delayMs: 50 });
    const socket = await client(throttle);
    const first = await transfer(socket, 1000);
    const second = await transfer(socket, 1000);
    expect(first).toBeGreaterThan(198);
    expect(second).toBeGreaterThan(98);
    // The best of several counts: it cannot be better than it is, and a busy machine makes some of them worse.
    const more = [second];
    while (Math.min(...more) >= 198 && more.length < 20) more.push(await transfer(socket, 1000));
    expect(Math.min(...more)).toBeLessThan(198);
  });
});

test('a client that leaves ends the connection behind it', async () => {
  const throttle = await through({ bytesPerSecond: MB });
  const socket = await client(throttle);
  socket.write('50000000\n');
  await throttle.reached(50_000);
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const then = throttle.bytesToClients;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(throttle.bytesToClients).toBe(then);
  expect(then).toBeLessThan(400_000);
});
