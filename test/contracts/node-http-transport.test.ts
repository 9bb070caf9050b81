import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HttpClient } from '../../src/http/client.ts';
import { systemClock } from '../../src/system/clock.ts';
import { NodeHttpTransport } from '../../src/transfer/transport/node-http-transport.ts';
import { RateLimiter } from '../../src/transfer/transport/rate-limiter.ts';
import { serveHttp } from '../support/server.ts';
import { transportContract } from './transport.contract.ts';

transportContract('NodeHttpTransport', ({ stallTimeoutMs }) => {
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs, clock: systemClock });
  return { transport: new NodeHttpTransport(http, systemClock), [Symbol.dispose]: () => http.close() };
});

test('a limited rate that keeps a body quiet for longer than the stall limit is no stall', async () => {
  const size = 400_000;
  await using server = await serveHttp((_, response) => {
    const head = { 'content-range': `bytes 0-${size - 1}/${size}`, 'content-length': size };
    response.writeHead(206, head).end(Buffer.alloc(size));
  });
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs: 100, clock: systemClock });
  // Another connection has just taken what comes in half a second.
  const limiter = new RateLimiter(1_000_000, systemClock);
  limiter.take(500_000);
  const directory = mkdtempSync(join(tmpdir(), 'fetch-limit-'));
  const descriptor = openSync(join(directory, 'part'), 'w');
  const window = { position: 0, end: size };
  const location = {
    kind: 'http' as const,
    url: server.origin,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  const began = performance.now();
  await new NodeHttpTransport(http, systemClock, limiter).bring(
    { location, path: 'a.bin', fileSize: size, window, descriptor },
    { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} },
    new AbortController().signal,
  );
  expect(window.position).toBe(size);
  expect(performance.now() - began).toBeGreaterThan(500);
  closeSync(descriptor);
  rmSync(directory, { recursive: true });
  http.close();
});

test('a connection serves again after a redirect and a short refusal', async () => {
  await using server = await serveHttp((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/busy' }).end('moved');
    else response.writeHead(503).end('busy');
  });
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs: 500, clock: systemClock });
  const location = {
    kind: 'http' as const,
    url: `${server.origin}/moved`,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  for (let round = 0; round < 5; round += 1) {
    const work = new NodeHttpTransport(http, systemClock).bring(
      { location, path: 'a.bin', fileSize: 9, window: { position: 0, end: 9 }, descriptor: -1 },
      { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} },
      new AbortController().signal,
    );
    await expect(work).rejects.toMatchObject({ status: 503 });
    await sleep(2);
  }
  // A redirect may be followed before its own body has been read.
  expect(server.connections).toBeLessThanOrEqual(2);
  http.close();
});
