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

// Another program on this machine may delay a timer; the link is never too fast, and on time when it is left alone.
describe('the rate', { retry: 3 }, () => {
  test.each([1, 5, 20, 60])('is within 3 % of %d MB/s', async (rate) => {
    const throttle = await through({ bytesPerSecond: rate * MB });
    const took = await transfer(await client(throttle), rate * MB);
    expect(took).toBeGreaterThan(970);
    expect(took).toBeLessThan(1030);
    expect(throttle.bytesToClients).toBe(rate * MB);
  });

  test('holds for each connection on its own, and a rest earns no burst', async () => {
    const throttle = await through({ bytesPerSecond: 10 * MB });
    const sockets = await Promise.all([1, 2, 3].map(() => client(throttle)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const times = await Promise.all(sockets.map((socket) => transfer(socket, 10 * MB)));
    for (const took of times) expect(Math.abs(took - 1000)).toBeLessThan(30);
    expect(throttle.connections).toBe(3);
  });

  test('is another one for the straggler, counted anew after a reset', async () => {
    const throttle = await through({
      bytesPerSecond: 20 * MB,
      straggler: { connection: 2, bytesPerSecond: MB },
    });
    for (let turn = 0; turn < 2; turn += 1) {
      throttle.reset();
      const times: number[] = [];
      for (let index = 0; index < 3; index += 1) {
        times.push(await transfer(await client(throttle), 400_000));
      }
      expect(times[1]).toBeGreaterThan(388);
      expect(times[1]).toBeLessThan(430);
      expect(Math.max(times[0]!, times[2]!)).toBeLessThan(60);
    }
  });
});

describe('the delay', { retry: 3 }, () => {
  test('costs a round trip per answer, and one more to connect', async () => {
    const throttle = await through({ delayMs: 25 });
    const socket = await client(throttle);
    const first = await transfer(socket, 1000);
    expect(first).toBeGreaterThan(98);
    expect(first).toBeLessThan(125);
    const second = await transfer(socket, 1000);
    expect(second).toBeGreaterThan(48);
    expect(second).toBeLessThan(65);
  });

  test('keeps a window under way: throughput is window / round trip, slowly begun', async () => {
    const throttle = await through({ delayMs: 20, windowBytes: 400_000 });
    const socket = await client(throttle);
    // Doubles from 14.6 kB: five round trips until the window is open.
    const first = await transfer(socket, 4 * MB);
    const second = await transfer(socket, 4 * MB);
    expect(second).toBeGreaterThan(390);
    expect(second).toBeLessThan(480);
    expect(first - second).toBeGreaterThan(100);
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
