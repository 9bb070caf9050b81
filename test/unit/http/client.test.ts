import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { discard, readText } from '../../../src/http/body.ts';
import { HttpClient, type HttpClientOptions, type HttpResponse } from '../../../src/http/client.ts';
import { FetchError } from '../../../src/model/error.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { serve, serveHttp, serveTcp } from '../../support/server.ts';

const STALL_MS = 150;
/** For what has to succeed, or to end by something else, on a machine that is busy. */
const LONG_LIMIT_MS = 60_000;
const clients: HttpClient[] = [];
const { signal } = new AbortController();

function client(options: Partial<HttpClientOptions> = {}): HttpClient {
  const made = new HttpClient({
    userAgent: 'test/1',
    stallTimeoutMs: LONG_LIMIT_MS,
    clock: systemClock,
    ...options,
  });
  clients.push(made);
  return made;
}

afterEach(() => {
  for (const one of clients.splice(0)) one.close();
});

async function text(http: HttpClient, url: string, aborting = signal): Promise<string> {
  return await readText(await http.get({ url: new URL(url), signal: aborting }), 1_000_000, aborting);
}

async function failureOf(work: Promise<unknown>): Promise<FetchError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FetchError);
  return error as FetchError;
}

describe('a request', () => {
  test('says who asks, and that it wants bytes as they are', async () => {
    const seen: unknown[] = [];
    await using server = await serveHttp((request, response) => {
      seen.push(request.method, request.url, request.headers);
      response.end('hello');
    });
    const url = new URL(`${server.origin}/a%23b?c=d`);
    const response = await client().get({ url, headers: { range: 'bytes=0-4' }, signal });
    expect(response).toMatchObject({ status: 200, reused: false });
    expect(response.url).toBe(url);
    expect(await readText(response, 5, signal)).toBe('hello');
    expect(seen.slice(0, 2)).toEqual(['GET', '/a%23b?c=d']);
    expect(seen[2]).toMatchObject({
      'user-agent': 'test/1',
      'accept-encoding': 'identity',
      range: 'bytes=0-4',
    });
    expect(seen[2]).not.toHaveProperty('authorization');
    expect(seen[2]).not.toHaveProperty('cookie');
  });

  test('knows the shortest wait for an answer; a redirect may come from elsewhere', async () => {
    let now = 0;
    const answers = [
      { status: 302, waitMs: 1 },
      { status: 200, waitMs: 300 },
      { status: 200, waitMs: 80 },
      { status: 404, waitMs: 2 },
      { status: 200, waitMs: 500 },
    ];
    await using server = await serveHttp((_request, response) => {
      const { status, waitMs } = answers.shift()!;
      now += waitMs;
      response.writeHead(status).end();
    });
    const http = client({ clock: { ...systemClock, monotonic: () => now } });
    const seen: (number | undefined)[] = [];
    while (answers.length > 0) {
      await text(http, server.origin);
      seen.push(http.shortestWaitMs);
    }
    expect(seen).toEqual([undefined, 300, 80, 80, 80]);
  });

  test('follows nothing and keeps no cookie', async () => {
    let cookies: string | undefined;
    await using server = await serveHttp((request, response) => {
      cookies = request.headers.cookie;
      response.writeHead(302, { location: '/elsewhere', 'set-cookie': 'a=b' }).end();
    });
    const http = client();
    for (let round = 0; round < 2; round += 1) {
      const response = await http.get({ url: new URL(server.origin), signal });
      expect(response.status).toBe(302);
      discard(response);
    }
    expect(cookies).toBeUndefined();
  });

  test('is traced once, with its status or without one', async () => {
    await using server = await serveTcp((socket) => {
      socket.once('data', (request) => {
        if (String(request).startsWith('GET /cut'))
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc');
        else socket.destroy();
      });
    });
    const traced: [string, number | undefined][] = [];
    const http = client({ trace: ({ url }, status) => traced.push([url.pathname, status]) });
    await failureOf(text(http, `${server.origin}/cut`));
    await failureOf(text(http, `${server.origin}/none`));
    expect(traced).toEqual([
      ['/cut', 200],
      ['/none', undefined],
    ]);
  });

  test('that no connection can carry is named, without the header', async () => {
    const headers = { authorization: 'Bearer sécret\u2603' };
    const error = await failureOf(client().get({ url: new URL('http://127.0.0.1:1'), headers, signal }));
    expect(error).toMatchObject({ code: 'NETWORK', retryable: false });
    expect(error.message).not.toContain('cret');
    expect(await failureOf(client().get({ url: new URL('ftp://127.0.0.1/'), signal }))).toMatchObject({
      code: 'NETWORK',
      retryable: false,
    });
  });
});

describe('connections', () => {
  test('serve again after a body was read or discarded, many times, without a listener left', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    await using server = await serveHttp((_, response) => void response.end('x'.repeat(1000)));
    const http = client();
    const controller = new AbortController();
    for (let round = 0; round < 30; round += 1) {
      const response = await http.get({ url: new URL(server.origin), signal: controller.signal });
      expect(response.reused).toBe(round > 0);
      if (round % 2 === 0) await readText(response, 1000, controller.signal);
      else discard(response);
      await sleep(1);
    }
    expect(server.connections).toBe(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await sleep(5);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('many at a time under one signal give no warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    await using server = await serveHttp((_, response) => void setTimeout(() => response.end('x'), 20));
    const http = client({ stallTimeoutMs: 20_000 });
    const controller = new AbortController();
    await Promise.all(Array.from({ length: 64 }, () => text(http, server.origin, controller.signal)));
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await sleep(5);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('a kept one that was closed meanwhile is worth an immediate second try', async () => {
    await using server = await serveTcp((socket, number) => {
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (number > 1 || requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx');
        else socket.resetAndDestroy();
      });
    });
    const http = client();
    await text(http, server.origin);
    await sleep(5);
    expect(await failureOf(text(http, server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      retryAfterMs: 0,
    });
    expect(await text(http, server.origin)).toBe('x');
  });

  test('a fresh one that is reset is not', async () => {
    await using server = await serveTcp((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    expect(await failureOf(text(client(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      retryAfterMs: undefined,
    });
  });

  test('are ended rather than read to the end of a large useless body', async () => {
    let sent = 0;
    await using server = await serveHttp((_, response) => {
      const chunk = Buffer.alloc(16 * 1024);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on('drain', more);
      more();
    });
    discard(await client().get({ url: new URL(server.origin), signal }));
    await sleep(50);
    const after = sent;
    await sleep(50);
    expect(sent).toBe(after);
    expect(after).toBeLessThan(20_000_000);
  });
});

describe('a stall', () => {
  async function expectStall(work: Promise<unknown>, when: string): Promise<void> {
    const began = performance.now();
    const error = await failureOf(work);
    expect(error).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      message: expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:\\d+: no byte for 0\\.15 s ${when}$`)),
      hint: expect.stringContaining('127.0.0.1'),
    });
    expect(performance.now() - began).toBeGreaterThan(STALL_MS - 10);
  }

  test('before the head', async () => {
    await using server = await serveTcp(() => {});
    await expectStall(
      text(client({ stallTimeoutMs: STALL_MS }), server.origin),
      'while waiting for the answer',
    );
  });

  test('in the head', async () => {
    await using server = await serveTcp((socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-le'));
    await expectStall(
      text(client({ stallTimeoutMs: STALL_MS }), server.origin),
      'while waiting for the answer',
    );
  });

  test('in the handshake', async () => {
    await using server = await serveTcp(() => {});
    await expectStall(
      text(client({ stallTimeoutMs: STALL_MS }), `https://127.0.0.1:${server.port}/`),
      'during the TLS handshake',
    );
  });

  test('in the body', async () => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-length': 10 });
      response.write('abc');
    });
    await expectStall(
      text(client({ stallTimeoutMs: STALL_MS }), server.origin),
      'in the middle of the answer',
    );
  });

  test('in a compressed body', async () => {
    const packed = gzipSync('x'.repeat(1000));
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.write(packed.subarray(0, 12));
    });
    await expectStall(
      text(client({ stallTimeoutMs: STALL_MS }), server.origin),
      'in the middle of the answer',
    );
  });

  test('is not a body that comes slowly', async () => {
    await using server = await serveHttp(async (_, response) => {
      for (let piece = 0; piece < 8; piece += 1) {
        response.write('x');
        await sleep(300);
      }
      response.end();
    });
    // Together more than the limit; each pause far below it, so that a busy machine may be late.
    expect(await text(client({ stallTimeoutMs: 2000 }), server.origin)).toBe('xxxxxxxx');
  });
});

describe('an abort', () => {
  const cases: [string, (socket: Socket) => void][] = [
    ['before the head', () => {}],
    ['in the head', (socket) => void socket.write('HTTP/1.1 200 O')],
    ['in the body', (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')],
    [
      'in a compressed body',
      (socket) =>
        void socket.write(
          Buffer.concat([
            Buffer.from('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n'),
            gzipSync('x').subarray(0, 12),
          ]),
        ),
    ],
  ];

  test.each(cases)('%s ends it at once, with its reason and without a listener left', async (_, talk) => {
    await using server = await serveTcp((socket) => void socket.once('data', () => talk(socket)));
    const controller = new AbortController();
    const reason = new Error('stop');
    const work = text(client(), server.origin, controller.signal);
    setTimeout(() => controller.abort(reason), 50);
    // Nothing else would end it within the time of a test.
    await expect(work).rejects.toBe(reason);
    await sleep(5);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('whose reason is no error ends it too', async () => {
    await using server = await serveTcp(() => {});
    const controller = new AbortController();
    const work = text(client(), server.origin, controller.signal);
    controller.abort('stop');
    await expect(work).rejects.toBe('stop');
  });

  test('before it begins keeps it from beginning', async () => {
    await using server = await serveTcp(() => {});
    const reason = new Error('stop');
    await expect(text(client(), server.origin, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(server.connections).toBe(0);
  });
});

describe('failures of the connection', () => {
  test('no server listens', async () => {
    const server = await serveTcp(() => {});
    await server[Symbol.asyncDispose]();
    expect(await failureOf(text(client(), `${server.origin}/a?Signature=secret`))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      message: `${new URL(server.origin).host}: the connection was refused`,
    });
  });

  test('no such name', async () => {
    const error = await failureOf(text(client(), 'http://no-such-host.invalid/'));
    expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
    expect(error.message).toMatch(/the name (was not found|could not be looked up)/);
  });

  test('a head that is too large', async () => {
    await using server = await serveTcp((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nx-large: ${'x'.repeat(100_000)}\r\n\r\n`);
    });
    expect(await failureOf(text(client(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: false,
      message: expect.stringContaining('the head of the answer is too large'),
    });
  });

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['no status line', '\r\n\r\n\r\nHTTP/1.1 2x0 OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
  ])('%s', async (_, answer) => {
    await using server = await serveTcp((socket) => void socket.write(answer));
    expect(await failureOf(text(client(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      message: expect.stringContaining('no HTTP answer'),
    });
  });

  test.each([
    ['a body that ends early', 'content-length: 9\r\n\r\nabc'],
    ['chunks without an end', 'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['chunks of nonsense', 'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n'],
  ])('%s', async (_, answer) => {
    await using server = await serveTcp((socket) => {
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${answer}`));
    });
    expect(await failureOf(text(client(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
    });
  });

  test('a certificate of an unknown authority', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'fetch-tls-'));
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    try {
      const subject = ['-subj', '/CN=127.0.0.1', '-days', '2', '-nodes'];
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
      execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], {
        stdio: 'ignore',
      });
      const options = { key: readFileSync(key), cert: readFileSync(cert) };
      let requests = 0;
      const answer = () => {
        requests += 1;
      };
      await using server = await serve(createHttpsServer(options, answer), 'https');
      expect(await failureOf(text(client(), server.origin))).toMatchObject({
        code: 'NETWORK',
        retryable: false,
        message: expect.stringContaining('the certificate is not accepted'),
        hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
      });
      expect(requests).toBe(0);
    } catch (error) {
      // Without openssl there is nothing to test with.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('a server that does not speak TLS', async () => {
    await using server = await serveHttp((_, response) => void response.end());
    const error = await failureOf(text(client(), `https://127.0.0.1:${server.port}/`));
    expect(error).toMatchObject({ code: 'NETWORK' });
    expect(error.message).toMatch(/no secure connection could be made|the connection was (reset|closed)/);
  });
});

describe('bodies', () => {
  test.each([
    ['gzip', gzipSync('héllo')],
    ['x-gzip', gzipSync('héllo')],
    ['GZIP', gzipSync('héllo')],
    ['deflate', deflateSync('héllo')],
    ['br', brotliCompressSync('héllo')],
    ['identity', Buffer.from('héllo')],
  ])('in %s are understood although identity was asked for', async (coding, packed) => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(packed);
    });
    expect(await text(client(), server.origin)).toBe('héllo');
  });

  test.each([['zstd'], ['gzip, gzip'], ['x'.repeat(500)]])('in %s are refused', async (coding) => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end('?');
    });
    const error = await failureOf(text(client(), server.origin));
    expect(error.code).toBe('NETWORK');
    expect(error.message.length).toBeLessThan(150);
  });

  test('that are no gzip, or only half of it, are failures', async () => {
    const packed = gzipSync('x'.repeat(5000));
    await using server = await serveHttp((request, response) => {
      const half = packed.subarray(0, packed.length - 10);
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(request.url === '/half' ? half : 'plain');
    });
    for (const path of ['/half', '/plain']) {
      expect(await failureOf(text(client(), server.origin + path))).toMatchObject({ code: 'NETWORK' });
    }
  });

  test('may have exactly as many bytes as allowed, packed or not', async () => {
    const large = gzipSync(Buffer.alloc(5_000_000));
    await using server = await serveHttp((request, response) => {
      if (request.url === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(large);
      else response.end('x'.repeat(1000));
    });
    const http = client();
    const read = async (path: string, limit: number) => {
      const response: HttpResponse = await http.get({ url: new URL(server.origin + path), signal });
      return await readText(response, limit, signal);
    };
    expect(await read('/', 1000)).toHaveLength(1000);
    for (const work of [read('/', 999), read('/bomb', 100_000)]) {
      expect(await failureOf(work)).toMatchObject({
        code: 'NETWORK',
        message: expect.stringMatching(/is larger than \d+ bytes$/),
      });
    }
  });
});
