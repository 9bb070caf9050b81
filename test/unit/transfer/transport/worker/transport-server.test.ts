import { expect, test } from 'vitest';
import type { Transport } from '../../../../../src/transfer/transport/transport.ts';
import type { TransportReply } from '../../../../../src/transfer/transport/worker/transport-messages.ts';
import { TransportServer } from '../../../../../src/transfer/transport/worker/transport-server.ts';

const BRING = {
  op: 'bring',
  id: 1,
  location: {
    kind: 'http',
    url: 'http://127.0.0.1/',
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any',
  },
  path: 'x',
  fileSize: 1000,
  range: { start: 0, end: 1000 },
  descriptor: 0,
} as const;

/** Brings some bytes and then waits for ever, as for a server that is silent. */
function silentAfter(bytes: number): Transport {
  return {
    async bring({ window }, observer, signal) {
      window.position = bytes;
      observer.wrote({ start: 0, end: bytes });
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
}

async function ended(replies: readonly TransportReply[]): Promise<TransportReply> {
  await expect.poll(() => replies.some(({ kind }) => kind === 'done' || kind === 'failed')).toBe(true);
  return replies.at(-1)!;
}

test('a request that is narrowed to what has come already ends at once', async () => {
  const replies: TransportReply[] = [];
  const server = new TransportServer(silentAfter(600), (reply) => replies.push(reply));
  server.handle(BRING);
  server.handle({ op: 'narrow', id: 1, end: 500 });
  expect(await ended(replies)).toEqual({ kind: 'done', id: 1, last: undefined });
  expect(replies[0]).toEqual({
    kind: 'wrote',
    id: 1,
    written: { range: { start: 0, end: 600 }, wireBytes: 600 },
  });
});

test('the first write is reported at once, unless it fills the window', async () => {
  const replies: TransportReply[] = [];
  const server = new TransportServer(silentAfter(600), (reply) => replies.push(reply));
  server.handle(BRING);
  // Long before the next report is due: nothing is waited for here.
  expect(replies).toEqual([
    { kind: 'wrote', id: 1, written: { range: { start: 0, end: 600 }, wireBytes: 600 } },
  ]);
  server.handle({ op: 'abort', id: 1 });
  await ended(replies);
});

test('one that still lacks something goes on', async () => {
  const replies: TransportReply[] = [];
  const server = new TransportServer(silentAfter(600), (reply) => replies.push(reply));
  server.handle(BRING);
  server.handle({ op: 'narrow', id: 1, end: 700 });
  await expect.poll(() => replies.length).toBe(1);
  expect(replies).toEqual([
    { kind: 'wrote', id: 1, written: { range: { start: 0, end: 600 }, wireBytes: 600 } },
  ]);
  server.handle({ op: 'abort', id: 1 });
  expect(await ended(replies)).toMatchObject({ kind: 'failed' });
});

test('what several requests wrote later comes in one message', async () => {
  const replies: TransportReply[] = [];
  const twice: Transport = {
    async bring({ window }, observer, signal) {
      for (const start of [0, 300]) {
        window.position = start + 300;
        observer.wrote({ start, end: start + 300 });
      }
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
  const server = new TransportServer(twice, (reply) => replies.push(reply));
  for (const id of [1, 2]) server.handle({ ...BRING, id });
  await expect.poll(() => replies.length).toBe(3);
  const written = { range: { start: 300, end: 600 }, wireBytes: 300 };
  expect(replies[2]).toEqual({ kind: 'reports', reports: [1, 2].map((id) => ({ id, written })) });
  for (const id of [1, 2]) server.handle({ op: 'abort', id });
  await expect.poll(() => replies.length).toBe(5);
});
