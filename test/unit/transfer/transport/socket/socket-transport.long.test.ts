import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { FetchError } from '../../../../../src/model/error.ts';
import { systemClock } from '../../../../../src/system/clock.ts';
import { UnsupportedResponse } from '../../../../../src/transfer/transport/socket/socket-exchange.ts';
import {
  SocketTransport,
  type SocketTransportOptions,
} from '../../../../../src/transfer/transport/socket/socket-transport.ts';
import { makeCertificates } from '../../../../support/certificates.ts';
import { compiled } from '../../../../support/compiled.ts';
import { serve, serveHttp, serveTcp } from '../../../../support/server.ts';

/** Longer than any test: a busy machine is silent for a while. */
const STALL_MS = 60_000;
const CONTENT = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) % 251));
const directory = mkdtempSync(join(tmpdir(), 'fetch-raw-'));
const path = join(directory, 'part');
const certificates = makeCertificates(directory);
const { signal } = new AbortController();

afterAll(() => rmSync(directory, { recursive: true }));

function transport(options: Partial<SocketTransportOptions> = {}): SocketTransport {
  return new SocketTransport({
    userAgent: 'test/1',
    stallTimeoutMs: STALL_MS,
    clock: systemClock,
    limiter: undefined,
    trace: () => {},
    ...options,
  });
}

/** Brings a range of the content; returns the window's end state. What was written must be right. */
async function bring(
  raw: SocketTransport,
  url: string,
  range: readonly [number, number] = [10, 20_010],
  content = CONTENT,
): Promise<number> {
  const descriptor = openSync(path, 'w');
  const [start, end] = range;
  const window = { position: start, end };
  const location = {
    kind: 'http' as const,
    url,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  let told = start;
  try {
    await raw.bring(
      { location, path: 'a.bin', fileSize: CONTENT.length, window, descriptor },
      {
        wrote: (written) => {
          expect(written.start).toBe(told);
          told = written.end;
        },
        wholeFile: () => expect.unreachable(),
        movedTo: () => expect.unreachable(),
      },
      signal,
    );
    return window.position;
  } finally {
    closeSync(descriptor);
    const written = readFileSync(path);
    expect(told).toBe(window.position);
    expect(written.length).toBe(window.position > start ? window.position : 0);
    if (written.length > 0) written.fill(content.subarray(0, start), 0, start);
    expect(written.equals(content.subarray(0, written.length))).toBe(true);
  }
}

async function failureOf(work: Promise<unknown>): Promise<FetchError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FetchError);
  return error as FetchError;
}

function headFor(start: number, last: number, more = ''): string {
  return `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${start}-${last}/${CONTENT.length}\r\nContent-Length: ${last - start + 1}\r\n${more}\r\n`;
}

function asked(request: string): [number, number] {
  const [, start, last] = /^range: bytes=(\d+)-(\d+)/im.exec(request) ?? [];
  return [Number(start), Number(last)];
}

/** Answers every request on every connection as `answer` says; false ends the connection instead. */
function talkative(
  answer: (socket: Socket, request: string, inConnection: number) => void,
): (socket: Socket) => void {
  return (socket) => {
    let text = '';
    let count = 0;
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end + 4);
        text = text.slice(end + 4);
        count += 1;
        answer(socket, request, count);
      }
    });
  };
}

function answerRight(socket: Socket, request: string, more = ''): void {
  const [start, last] = asked(request);
  socket.write(headFor(start, last, more));
  socket.write(CONTENT.subarray(start, last + 1));
}

describe('a connection', () => {
  test('says what it wants in one request', async () => {
    const requests: string[] = [];
    await using server = await serveTcp(
      talkative((socket, request) => {
        requests.push(request);
        answerRight(socket, request);
      }),
    );
    await bring(transport(), `${server.origin}/a%20b?c=d#e`);
    expect(requests).toEqual([
      [
        'GET /a%20b?c=d HTTP/1.1',
        `Host: 127.0.0.1:${server.port}`,
        'User-Agent: test/1',
        'Accept: */*',
        'Accept-Encoding: identity',
        'Range: bytes=10-20009',
        'Connection: keep-alive',
        '',
        '',
      ].join('\r\n'),
    ]);
  });

  test('serves again, also when heads and bodies come byte by byte', async () => {
    await using server = await serveTcp(
      talkative(async (socket, request) => {
        const [start, last] = asked(request);
        for (const byte of headFor(start, last)) {
          socket.write(byte, 'latin1');
          if (Math.random() < 0.2) await sleep(0);
        }
        socket.write(CONTENT.subarray(start, last + 1));
      }),
    );
    const raw = transport();
    for (let round = 0; round < 4; round += 1) expect(await bring(raw, server.origin, [round, 50])).toBe(50);
    expect(server.connections).toBe(1);
  });

  test('that announced its end is not used again', async () => {
    await using server = await serveTcp(
      talkative((socket, request, count) => {
        expect(count).toBe(1);
        answerRight(socket, request, 'Connection: close\r\n');
        socket.end();
      }),
    );
    const raw = transport();
    for (let round = 0; round < 3; round += 1) await bring(raw, server.origin);
    expect(server.connections).toBe(3);
  });

  test('that was closed while idle is replaced without a failure', async () => {
    await using server = await serveTcp(
      talkative((socket, request) => {
        answerRight(socket, request);
        setTimeout(() => socket.end(), 5);
      }),
    );
    const raw = transport();
    for (let round = 0; round < 3; round += 1) {
      await bring(raw, server.origin);
      await sleep(40);
    }
    expect(server.connections).toBe(3);
  });

  test.each<[string, (socket: Socket) => void]>([
    ['closed', (socket) => socket.end()],
    ['reset', (socket) => socket.resetAndDestroy()],
  ])('that is %s in answer to its second request costs no try', async (_, end) => {
    await using server = await serveTcp(
      talkative((socket, request, count) => {
        if (count === 1) answerRight(socket, request);
        else end(socket);
      }),
    );
    const raw = transport();
    await bring(raw, server.origin);
    expect(await failureOf(bring(raw, server.origin))).toMatchObject({ retryable: true, retryAfterMs: 0 });
    await bring(raw, server.origin);
    expect(server.connections).toBe(2);
  });

  test('that is closed in answer to its first request costs one', async () => {
    await using server = await serveTcp((socket) => void socket.once('data', () => socket.end()));
    expect(await failureOf(bring(transport(), server.origin))).toMatchObject({
      retryable: true,
      retryAfterMs: undefined,
    });
  });

  test.each([
    ['with', 0],
    ['after', 10],
  ])('that brings more bytes %s the body is not used again', async (_, delayMs) => {
    await using server = await serveTcp(
      talkative(async (socket, request, count) => {
        expect(count).toBe(1);
        const [start, last] = asked(request);
        const body = CONTENT.subarray(start, last + 1);
        if (delayMs === 0) socket.write(Buffer.concat([Buffer.from(headFor(start, last)), body, body]));
        else {
          answerRight(socket, request);
          await sleep(delayMs);
          answerRight(socket, request);
        }
      }),
    );
    const raw = transport();
    for (let round = 0; round < 3; round += 1) {
      expect(await bring(raw, server.origin)).toBe(20_010);
      // Long enough for the rest to arrive, also on a busy machine.
      await sleep(250);
    }
    expect(server.connections).toBe(3);
  });

  test('that ends early leaves what came', async () => {
    await using server = await serveTcp(
      talkative((socket, request) => {
        const [start, last] = asked(request);
        socket.end(Buffer.concat([Buffer.from(headFor(start, last)), CONTENT.subarray(start, start + 777)]));
      }),
    );
    expect(await failureOf(bring(transport(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: true,
      retryAfterMs: undefined,
    });
    expect(readFileSync(path).length).toBe(10 + 777);
  });

  test('reaches an IPv6 address and a name with several addresses', async () => {
    const hosts: (string | undefined)[] = [];
    const http = await import('node:http');
    const six = http.createServer((request, response) => {
      hosts.push(request.headers.host);
      const [start, last] = asked(`range: ${request.headers.range}`);
      const head = {
        'content-range': `bytes ${start}-${last}/${CONTENT.length}`,
        'content-length': last - start + 1,
      };
      response.writeHead(206, head).end(CONTENT.subarray(start, last + 1));
    });
    const listening = await new Promise<boolean>((resolve) => {
      six.once('error', () => resolve(false));
      six.listen(0, '::1', () => resolve(true));
    });
    await using four = await serveTcp(talkative((socket, request) => answerRight(socket, request)));
    // Only one of the addresses of this name answers.
    await bring(transport(), `http://localhost:${four.port}/`);
    if (!listening) return;
    const { port } = six.address() as { port: number };
    await bring(transport(), `http://[::1]:${port}/`);
    expect(hosts).toEqual([`[::1]:${port}`]);
    six.closeAllConnections();
    six.close();
  });

  test('is kept after a refusal that was read, and not after one that was not', async () => {
    await using server = await serveTcp(
      talkative((socket, request, count) => {
        if (count < 3) socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy');
        else if (count === 3) socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 40\r\n\r\nbusy');
        else answerRight(socket, request);
      }),
    );
    const raw = transport();
    for (let round = 0; round < 3; round += 1)
      expect(await failureOf(bring(raw, server.origin))).toMatchObject({ status: 503 });
    expect(server.connections).toBe(1);
    await failureOf(bring(raw, server.origin));
    expect(server.connections).toBe(2);
  });

  test('with a password in its address is left to the other transport', async () => {
    const work = bring(transport(), 'http://user:secret@127.0.0.1:1/');
    await expect(work).rejects.toSatisfy((error) => error instanceof UnsupportedResponse && error.lasting);
  });
});

test('whatever a server says ends in right bytes or in a named failure', async () => {
  let answer = Buffer.alloc(0);
  let sizes: readonly number[] = [];
  await using server = await serveTcp((socket) => {
    socket.setNoDelay(true);
    socket.once('data', async () => {
      let at = 0;
      for (const size of sizes) {
        socket.write(answer.subarray(at, at + size));
        at += size;
        await new Promise(setImmediate);
      }
      socket.end(answer.subarray(at));
    });
  });
  const good = Buffer.concat([Buffer.from(headFor(10, 59)), CONTENT.subarray(10, 60)]);
  const headLength = good.length - 50;
  const change = fc.record({
    at: fc.integer({ min: 0, max: headLength - 1 }),
    remove: fc.integer({ min: 0, max: 9 }),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 9 }),
      fc.constantFrom('\r\n', '\r\n\r\n', 'HTTP/1.1 206 OK\r\n', '\n').map((text) => Buffer.from(text)),
    ),
  });
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((noise) => Buffer.from(noise)),
    fc.integer({ min: 0, max: good.length }).map((length) => good.subarray(0, length)),
    fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
      let bytes = good;
      for (const { at, remove, insert } of changes)
        bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
      return bytes;
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      input,
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
      async (bytes, cuts) => {
        answer = Buffer.from(bytes);
        sizes = cuts;
        // Where an accepted head ends is where it says so.
        const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
        const expected = Buffer.concat([CONTENT.subarray(0, 10), body]);
        // A head without an end, or a body that is too short, ends by the stall limit.
        const work = bring(transport({ stallTimeoutMs: 200 }), server.origin, [10, 60], expected);
        const outcome = await work.catch((error: unknown) => error);
        if (outcome === 60) return;
        expect(outcome instanceof FetchError || outcome instanceof UnsupportedResponse, String(outcome)).toBe(
          true,
        );
      },
    ),
    { numRuns: 300 },
  );
});

describe.runIf(certificates !== undefined)('TLS', () => {
  const issued = certificates?.issue('DNS:localhost,IP:127.0.0.1,IP:::1');
  const serveTls = (answer: Parameters<typeof createHttpsServer>[1], options = issued) =>
    serve(
      createHttpsServer({ keepAliveTimeout: 30_000, ...options }, answer) as unknown as HttpServer,
      'https',
    );

  test('an unknown authority is refused by name, and nothing is asked', async () => {
    let requests = 0;
    await using server = await serveTls(() => {
      requests += 1;
    });
    expect(await failureOf(bring(transport(), server.origin))).toMatchObject({
      code: 'NETWORK',
      retryable: false,
      message: expect.stringContaining('the certificate is not accepted'),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(requests).toBe(0);
  });

  /** In a process of its own, which trusts the authority as a user would make it. */
  function inTrustingProcess(program: string): unknown {
    const module = new URL('transfer/transport/socket/socket-transport.js', compiled()).href;
    const clock = new URL('system/clock.js', compiled()).href;
    const text = `
      import { openSync, readFileSync } from 'node:fs';
      import { createServer } from 'node:https';
      import { SocketTransport } from ${JSON.stringify(module)};
      import { systemClock } from ${JSON.stringify(clock)};
      const content = Buffer.alloc(3_000_000, 'abcdefg');
      const raw = new SocketTransport({ userAgent: 'test/1', stallTimeoutMs: 200, clock: systemClock, limiter: undefined, trace: () => {} });
      const bring = async (url, start, end, signal = new AbortController().signal) => {
        const descriptor = openSync(${JSON.stringify(path)}, 'w');
        const window = { position: start, end };
        await raw.bring({ location: { url }, path: 'a.bin', fileSize: content.length, window, descriptor },
          { wrote() {}, wholeFile() {}, movedTo() {} }, signal);
        return readFileSync(${JSON.stringify(path)}).subarray(start).equals(content.subarray(start, end));
      };
      const listen = (options, answer) => new Promise((resolve) => {
        const server = createServer({ keepAliveTimeout: 30_000, ...options }, answer);
        server.listen(0, () => resolve(server));
      });
      const answer = (request, response) => {
        const [start, last] = request.headers.range.match(/\\d+/g).map(Number);
        response.writeHead(206, { 'content-range': \`bytes \${start}-\${last}/\${content.length}\`, 'content-length': last - start + 1 });
        response.end(content.subarray(start, last + 1));
      };
      const told = {};
      ${program}
      console.log(JSON.stringify(told));
      process.exit(0);
    `;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', text], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificates!.caPath },
      timeout: 20_000,
    });
    return JSON.parse(output.toString());
  }

  test('a known one serves; sessions are resumed; the name of the server is sent, an address is not', () => {
    expect(
      inTrustingProcess(`
        told.names = []; told.reused = []; told.connections = 0;
        const server = await listen(${JSON.stringify(issued)}, (request, response) => {
          told.reused.push(request.socket.isSessionReused());
          told.names.push(request.socket.servername);
          if (request.url === '/close') response.setHeader('connection', 'close');
          answer(request, response);
        });
        server.on('secureConnection', () => { told.connections += 1; });
        const { port } = server.address();
        told.right = [];
        for (const at of ['/close', '/close', '/', '/'])
          told.right.push(await bring('https://localhost:' + port + at, 100_001, 2_900_000));
        told.right.push(await bring('https://127.0.0.1:' + port + '/', 5, 6));
      `),
    ).toEqual({
      names: ['localhost', 'localhost', 'localhost', 'localhost', false],
      reused: [false, true, true, true, false],
      connections: 4,
      right: [true, true, true, true, true],
    });
  });

  test('a certificate for another name is refused', () => {
    expect(
      inTrustingProcess(`
        let requests = 0;
        const server = await listen(${JSON.stringify(certificates?.issue('DNS:elsewhere.example'))}, () => { requests += 1; });
        const error = await bring('https://localhost:' + server.address().port + '/', 0, 5).catch((thrown) => thrown);
        Object.assign(told, { code: error.code, message: error.message, retryable: error.retryable, requests });
      `),
    ).toMatchObject({
      code: 'NETWORK',
      retryable: false,
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
      requests: 0,
    });
  });

  test('silence and aborts are noticed in time', () => {
    expect(
      inTrustingProcess(`
        const server = await listen(${JSON.stringify(issued)}, (request, response) => {
          response.writeHead(206, { 'content-range': 'bytes 0-999999/3000000', 'content-length': 1_000_000 });
          response.write(content.subarray(0, 300_000));
        });
        const url = 'https://localhost:' + server.address().port + '/';
        const stalled = await bring(url, 0, 1_000_000).catch((error) => error);
        told.stalled = stalled.message.includes('no byte for 0.2 s');
        const controller = new AbortController();
        setTimeout(() => controller.abort(new Error('stop')), 100);
        told.reason = (await bring(url, 0, 1_000_000, controller.signal).catch((error) => error)).message;
      `),
    ).toEqual({ stalled: true, reason: 'stop' });
  });

  test('a server that does not speak it is named', async () => {
    await using server = await serveHttp((_, response) => void response.end());
    const error = await failureOf(bring(transport(), `https://127.0.0.1:${server.port}/`));
    expect(error.message).toMatch(/no secure connection could be made|the connection was (reset|closed)/);
  });
});
