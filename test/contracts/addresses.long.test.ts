import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { readText } from '../../src/http/body.ts';
import { HttpClient } from '../../src/http/client.ts';
import { Dialer } from '../../src/http/dialer.ts';
import { FetchError } from '../../src/model/error.ts';
import { systemClock } from '../../src/system/clock.ts';
import { NodeHttpTransport } from '../../src/transfer/transport/node-http-transport.ts';
import { SocketTransport } from '../../src/transfer/transport/socket/socket-transport.ts';
import type { RangeObserver, Transport } from '../../src/transfer/transport/transport.ts';
import { makeCertificates } from '../support/certificates.ts';

const CONTENT = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 31) % 251));
const HOST = 'cdn.example';
const BAD = '127.0.0.1';
const GOOD = '127.0.0.2';
const STALL_MS = 1500;
const directory = mkdtempSync(join(tmpdir(), 'fetch-addresses-'));
afterAll(() => rmSync(directory, { recursive: true }));
const certificates = makeCertificates(directory);
const pair = certificates?.issue(`DNS:${HOST}`);
const { signal } = new AbortController();
const HEAD = `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-${CONTENT.length - 1}/${CONTENT.length}\r\ncontent-length: ${CONTENT.length}\r\n\r\n`;

/** What one address of a host can have. A handshake over TLS comes before, except for the first two. */
const ILLS: Record<string, (socket: Socket) => void> = {
  'a connection that is closed at once': (socket) => socket.destroy(),
  'a connection that stays silent': () => {},
  'an answer of 206 without a byte': (socket) => socket.once('data', () => socket.end(HEAD)),
  'an answer of 206, and the end after a while': (socket) =>
    socket.once('data', () => socket.write(HEAD, () => setTimeout(() => socket.destroy(), 20))),
  'silence instead of an answer': (socket) => socket.once('data', () => {}),
  'silence after the head': (socket) => socket.once('data', () => socket.write(HEAD)),
};
const PLAIN = Object.keys(ILLS).slice(0, 2);

interface Scene extends AsyncDisposable {
  readonly url: string;
  readonly dialer: Dialer;
  /** Connections that either address got. */
  readonly came: { bad: number; good: number };
}

/** A name with two addresses, of which the first is ill. */
async function scene(ill: string, secure: boolean): Promise<Scene> {
  const came = { bad: 0, good: 0 };
  const answer: RequestListener = (_, response) => {
    response.writeHead(206, {
      'content-range': `bytes 0-${CONTENT.length - 1}/${CONTENT.length}`,
      'content-length': CONTENT.length,
    });
    response.end(CONTENT);
  };
  const good = secure ? createHttpsServer({ ...pair }, answer) : createServer(answer);
  good.on('connection', () => {
    came.good += 1;
  });
  const talk = (socket: Socket) => {
    socket.on('error', () => {});
    ILLS[ill]?.(socket);
  };
  const bad: Server =
    secure && !PLAIN.includes(ill) ? createTlsServer({ ...pair }, talk) : createTcpServer(talk);
  bad.on('connection', () => {
    came.bad += 1;
  });
  const sockets = new Set<Socket>();
  for (const server of [good, bad]) server.on('connection', (socket: Socket) => sockets.add(socket));
  const port = await listenOnBoth(good, bad);
  const lookup = async () => [BAD, GOOD].map((address) => ({ address, family: 4 }));
  return {
    url: `${secure ? 'https' : 'http'}://${HOST}:${port}/a.bin`,
    dialer: new Dialer({ clock: systemClock, lookup }),
    came,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([good, bad].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** On the same port of both addresses; another program may have it at one of them. */
async function listenOnBoth(good: Server, bad: Server): Promise<number> {
  const listen = (server: Server, port: number, address: string) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        resolve();
      });
    });
  for (;;) {
    await listen(good, 0, GOOD);
    const { port } = good.address() as AddressInfo;
    try {
      await listen(bad, port, BAD);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await new Promise((resolve) => good.close(resolve));
    }
  }
}

function options(dialer: Dialer, secure: boolean) {
  const network = {
    httpsProxy: undefined,
    httpProxy: undefined,
    noProxy: '',
    certificates: certificates === undefined ? [] : [certificates.ca],
    onlyHosts: undefined,
  };
  return {
    userAgent: 'test/1',
    stallTimeoutMs: STALL_MS,
    clock: systemClock,
    dialer,
    ...(secure ? { network } : {}),
  };
}

async function bring(transport: Transport, url: string, aborting = signal): Promise<void> {
  const path = join(directory, 'part');
  const descriptor = openSync(path, 'w');
  const observer: RangeObserver = { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} };
  const location = {
    kind: 'http' as const,
    url,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  const window = { position: 0, end: CONTENT.length };
  try {
    await transport.bring(
      { location, path: 'a.bin', fileSize: CONTENT.length, window, descriptor },
      observer,
      aborting,
    );
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  } finally {
    closeSync(descriptor);
  }
}

const TRANSPORTS = ['core', 'raw'] as const;
const cases = Object.keys(ILLS).flatMap((ill) =>
  TRANSPORTS.flatMap((kind) => [false, true].map((secure) => ({ ill, kind, secure }))),
);

/** Other systems have no second address of their own. */
const alone = process.platform === 'darwin';

describe.skipIf(alone)('an address with', () => {
  test.each(cases)('$ill fails once, then another serves ($kind, secure: $secure)', async (one) => {
    const { ill, kind, secure } = one;
    if (secure && pair === undefined) return;
    await using here = await scene(ill, secure);
    const { url, dialer, came } = here;
    const all = options(dialer, secure);
    using http = Object.assign(new HttpClient(all), {
      [Symbol.dispose]() {
        http.close();
      },
    });
    const transport: Transport =
      kind === 'core'
        ? new NodeHttpTransport(http, systemClock)
        : new SocketTransport({ ...all, limiter: undefined, trace: () => {} });
    const error = await bring(transport, url).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(FetchError);
    expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
    if (ill.startsWith('an answer of 206'))
      expect((error as FetchError).message).toMatch(
        new RegExp(`^cdn\\.example:\\d+ \\(at ${BAD.replaceAll('.', '\\.')}\\) answered 206 without a byte$`),
      );
    for (const _ of [1, 2]) await bring(transport, url);
    expect(came).toEqual({ bad: 1, good: 1 });
    if (transport instanceof SocketTransport) transport.close();
  });
});

test.skipIf(alone)('a hub that answers at one of its addresses only is asked there', async () => {
  await using here = await scene('a connection that is closed at once', false);
  const http = new HttpClient(options(here.dialer, false));
  await expect(http.get({ url: new URL(here.url), signal })).rejects.toThrow('cdn.example');
  for (const _ of [1, 2]) {
    const response = await http.get({ url: new URL(here.url), signal });
    expect(response.address).toBe(GOOD);
    await readText(response, CONTENT.length, signal);
  }
  http.close();
});

test('an abort while a name is looked up ends a request at once', async () => {
  const dialer = new Dialer({ clock: systemClock, lookup: () => new Promise(() => {}) });
  const http = new HttpClient(options(dialer, false));
  const controller = new AbortController();
  const asked = http.get({ url: new URL('http://cdn.example/'), signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
  // And so does a resolver that never answers.
  await expect(http.get({ url: new URL('http://cdn.example/'), signal })).rejects.toThrow(
    `no byte for ${STALL_MS / 1000} s`,
  );
});

test.skipIf(alone)(
  'an address that was silent for long when its request was taken over is a slow one',
  async () => {
    await using here = await scene('silence after the head', false);
    const { url, dialer, came } = here;
    let skipped = 0;
    const clock = { ...systemClock, monotonic: () => performance.now() + skipped };
    const raw = new SocketTransport({
      userAgent: 'test/1',
      stallTimeoutMs: 60_000,
      clock,
      dialer,
      limiter: undefined,
      trace: () => {},
    });
    const controller = new AbortController();
    const taken = bring(raw, url, controller.signal);
    while (came.bad === 0) await sleep(5);
    skipped = 6000;
    controller.abort(new Error('taken over'));
    await expect(taken).rejects.toThrow('taken over');
    await bring(raw, url);
    expect(came).toEqual({ bad: 1, good: 1 });
    raw.close();
  },
);
