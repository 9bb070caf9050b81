import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileSender, type OpenedFile, openVerified } from '../../../src/serve/send-file.ts';
import { stampedFile } from '../../../src/store/records/stamp.ts';
import { type Clock, systemClock } from '../../../src/system/clock.ts';

const SIZE = 8_000_000;
let directory: string;
let path: string;
let server: Server;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'send-'));
  path = join(directory, 'file');
  writeFileSync(path, Buffer.alloc(SIZE, 7));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

/** Serves the file to one client; `meanwhile` runs when the client has its first bytes. */
async function take(meanwhile: () => void): Promise<{ readonly bytes: Buffer; readonly complete: boolean }> {
  const sender = new FileSender(systemClock);
  const { size, stamp } = stampedFile(path)!;
  server = createServer(async (_request, response) => {
    await using file = (await openVerified({ path, size, stamp, verified: true }))!;
    response.writeHead(200, { 'Content-Length': size });
    await sender.send(response, file, { start: 0, end: size });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return await new Promise((resolve) => {
    get({ port, host: '127.0.0.1' }, (answer) => {
      const chunks: Buffer[] = [];
      answer.once('data', () => {
        answer.pause();
        meanwhile();
        answer.resume();
      });
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => {});
      answer.on('close', () => resolve({ bytes: Buffer.concat(chunks), complete: answer.complete }));
    });
  });
}

test('sends the whole file', async () => {
  const { bytes, complete } = await take(() => {});
  expect(complete).toBe(true);
  expect(bytes.equals(Buffer.alloc(SIZE, 7))).toBe(true);
});

test('ends the connection when the file changes, before a byte of the change', async () => {
  const { bytes, complete } = await take(() => writeFileSync(path, Buffer.alloc(SIZE, 8)));
  // What stood in the buffers of the system is from before the change.
  expect(complete).toBe(false);
  expect(bytes.every((byte) => byte === 7)).toBe(true);
});

test('does not open a file that is not the one that was verified', async () => {
  server = createServer();
  const { size, stamp } = stampedFile(path)!;
  appendFileSync(path, 'x');
  expect(await openVerified({ path, size, stamp, verified: true })).toBeUndefined();
  expect(
    await openVerified({ path: join(directory, 'nothing'), size, stamp, verified: true }),
  ).toBeUndefined();
});

test('a client that reads slowly has one small block at a time', async () => {
  const lengths: number[] = [];
  const file: OpenedFile = {
    isUnchanged: () => Promise.resolve(true),
    read: (_buffer, _offset, length) => {
      lengths.push(length);
      return Promise.resolve(length);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  // A second passes with each block: the first ones are ahead of the rate, as nothing is known yet.
  let time = 0;
  const clock: Clock = { ...systemClock, monotonic: () => time++ * 1000 };
  server = createServer(async (_request, response) => {
    response.writeHead(200, { 'Content-Length': 1_000_000 });
    await new FileSender(clock).send(response, file, { start: 0, end: 1_000_000 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect((await answer.arrayBuffer()).byteLength).toBe(1_000_000);
  expect(lengths.slice(0, 3)).toEqual([524_288, 16_384, 16_384]);
});
