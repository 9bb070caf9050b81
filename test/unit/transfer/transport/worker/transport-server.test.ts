import { expect, test } from 'vitest';
import type { Transport } from '../../../../../src/transfer/transport/transport.ts';
import {
  type JobReport,
  unpackReports,
} from '../../../../../src/transfer/transport/worker/packed-reports.ts';
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

/** Writes so many bytes, one after the other, and then waits for ever. */
function writing(lengths: readonly number[]): Transport {
  return {
    async bring({ window }, observer, signal) {
      for (const length of lengths) {
        const start = window.position;
        window.position += length;
        observer.wrote({ start, end: window.position });
      }
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
}

function reportsIn(reply: TransportReply): JobReport[] {
  const reports: JobReport[] = [];
  if (reply.kind === 'reports') unpackReports(reply.reports, (report) => reports.push(report));
  return reports;
}

async function ended(replies: readonly TransportReply[]): Promise<TransportReply> {
  await expect.poll(() => replies.some(({ kind }) => kind === 'done' || kind === 'failed')).toBe(true);
  return replies.at(-1)!;
}

test('a request that is narrowed to what has come already ends at once', async () => {
  const replies: TransportReply[] = [];
  const server = new TransportServer(writing([600]), (reply) => replies.push(reply));
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
  const server = new TransportServer(writing([600]), (reply) => replies.push(reply));
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
  const server = new TransportServer(writing([600]), (reply) => replies.push(reply));
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
  const server = new TransportServer(writing([300, 300]), (reply) => replies.push(reply));
  for (const id of [1, 2]) server.handle({ ...BRING, id });
  await expect.poll(() => replies.length).toBe(3);
  const written = { range: { start: 300, end: 600 }, wireBytes: 300 };
  const [, , last] = replies;
  expect(reportsIn(last!)).toEqual([1, 2].map((id) => ({ id, written })));
  for (const id of [1, 2]) server.handle({ op: 'abort', id });
  await expect.poll(() => replies.length).toBe(5);
});

test('a request that wrote much is reported soon, and what others wrote with it', async () => {
  const replies: TransportReply[] = [];
  const lengths = (fileSize: number) => (fileSize === 1000 ? [1, 300] : [1, 2 ** 20]);
  const mixed: Transport = {
    bring: (job, observer, signal) => writing(lengths(job.fileSize)).bring(job, observer, signal),
  };
  const server = new TransportServer(mixed, (reply) => replies.push(reply));
  server.handle({ ...BRING, id: 1 });
  server.handle({ ...BRING, id: 2, fileSize: 2 ** 22, range: { start: 0, end: 2 ** 22 } });
  const kinds = replies.map((reply) =>
    reply.kind === 'reports' ? reportsIn(reply).map(({ id }) => id) : reply.kind,
  );
  // Nothing is waited for here: this is long before the next report of all is due.
  expect(kinds).toEqual(['wrote', 'wrote', [1, 2]]);
  for (const id of [1, 2]) server.handle({ op: 'abort', id });
  await expect.poll(() => replies.length).toBe(5);
});
