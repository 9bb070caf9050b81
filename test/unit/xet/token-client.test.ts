import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { makeHubSource } from '../../support/hub-source.ts';
import { serve } from '../../support/server.ts';

const COMMIT = 'a'.repeat(40);
const HASH = '1'.repeat(64);
const REVISION = {
  repo: { source: 'hub', type: 'model', id: 'o/n' },
  name: 'main',
  id: COMMIT,
  gated: false,
} as const;
const FILE = { path: 'a.bin', size: 1000, digest: undefined, pointer: { oid: '', xetHash: HASH } } as const;
const RANGE = { start: 0, end: 1000 };

/** A hub that answers requests for tokens when it is told to, and a store that has the file. */
async function open() {
  const asked: ServerResponse[] = [];
  let origin = '';
  const server = await serve(
    createServer((request, response) => {
      if (request.url?.includes('/xet-read-token/') === true) {
        asked.push(response);
        return;
      }
      const address = `${origin}/xorb`;
      const ranges = [{ chunks: { start: 0, end: 1 }, bytes: { start: 0, end: 999 } }];
      const terms = [{ hash: HASH, range: { start: 0, end: 1 }, unpacked_length: 1000 }];
      response.end(JSON.stringify({ terms, xorbs: { [HASH]: [{ url: address, ranges }] } }));
    }),
  );
  origin = server.origin;
  const setup = makeHubSource({ endpoint: origin, stallTimeoutMs: 60_000 });
  return {
    asked,
    give: (response: ServerResponse) =>
      response.end(JSON.stringify({ accessToken: 'xet_1', exp: 4_000_000_000, casUrl: origin })),
    reconstruct: (signal: AbortSignal) => setup.source.reconstruct(REVISION, FILE, RANGE, signal),
    until: async (isSo: () => boolean) => {
      while (!isSo()) await setImmediate();
    },
    [Symbol.asyncDispose]: async () => {
      setup[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('a token that several wait for comes although the first of them is aborted', async () => {
  await using world = await open();
  const [first, second] = [new AbortController(), new AbortController()];
  const aborted = world.reconstruct(first.signal);
  await world.until(() => world.asked.length === 1);
  const waiting = world.reconstruct(second.signal);
  first.abort(new Error('this connection ends'));
  await expect(aborted).rejects.toThrow('this connection ends');
  world.give(world.asked[0]!);
  await expect(waiting).resolves.toMatchObject({ kind: 'xet' });
  expect(world.asked).toHaveLength(1);
});

test('the request for a token ends when nothing waits for it, and the next one asks anew', async () => {
  await using world = await open();
  const aborts = [new AbortController(), new AbortController()];
  const waiting = aborts.map(({ signal }) => world.reconstruct(signal));
  await world.until(() => world.asked.length === 1);
  const closed = once(world.asked[0]!, 'close');
  for (const abort of aborts) abort.abort(new Error('all end'));
  for (const one of waiting) await expect(one).rejects.toThrow('all end');
  await closed;
  const later = world.reconstruct(new AbortController().signal);
  await world.until(() => world.asked.length === 2);
  world.give(world.asked[1]!);
  await expect(later).resolves.toMatchObject({ kind: 'xet' });
});
