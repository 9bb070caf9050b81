import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lookup } from '../../src/http/address-book.ts';
import type { NetworkSettings, ProxyAddress } from '../../src/http/network-settings.ts';
import type { Transport } from '../../src/transfer/transport/transport.ts';
import { makeCertificates } from '../support/certificates.ts';
import { serve } from '../support/server.ts';
import {
  deafToTcp,
  type Silence,
  silentHandshake,
  silentLookup,
  silentTcp,
  silentTls,
  startProxy,
} from '../support/silence.ts';

const directory = mkdtempSync(join(tmpdir(), 'fetch-silence-'));
afterAll(() => rmSync(directory, { recursive: true }));
const certificates = makeCertificates(directory);
const pair = certificates?.issue('DNS:localhost,IP:127.0.0.1');
const SIZE = 1000;
const HEAD = `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-${SIZE - 1}/${SIZE}\r\ncontent-length: ${SIZE}\r\n\r\n`;
/** A limit that is never reached: the test has its own. */
const NEVER_MS = 3_600_000;
/** On no machine that is only busy does a phase that is not silent take so long. */
const STALL_MS = 3000;

/** What a client is to be made for. */
export interface TestNetwork {
  readonly stallTimeoutMs: number;
  readonly network: NetworkSettings;
  readonly lookup: Lookup | undefined;
}

/** Asks for the whole of a small file, and ends when all of it has come. */
export interface Asking extends AsyncDisposable {
  ask(url: string, signal: AbortSignal): Promise<unknown>;
}

/** Through which proxy a request goes: forwarded (http), tunnelled (https), and the same by a proxy behind TLS. */
type Way = 'direct' | 'direct TLS' | 'forwarded' | 'tunnelled' | 'tunnelled by TLS';

interface TestAddress extends AsyncDisposable {
  readonly url: string;
  readonly proxy?: string;
  readonly lookup?: Lookup;
  readonly reached: Promise<void>;
}

interface Row {
  readonly way: Way;
  readonly phase: string;
  /** What the error says. */
  readonly says: RegExp;
  readonly place: () => Promise<TestAddress>;
}

const USER = 'user:secret';
const PROXY = String.raw`the proxy https?://\S+:\d+ \(from HTTPS?_PROXY\) on the way to (localhost|hub\.example):\d+: no byte for 3 s`;
const VIA = String.raw`localhost:\d+, through the proxy https?://127\.0\.0\.1:\d+ \(from HTTPS?_PROXY\): no byte for 3 s`;
const PLAIN = String.raw`localhost:\d+: no byte for 3 s`;

async function place(
  silence: Silence,
  url: string,
  proxy?: { readonly at: string; readonly close?: AsyncDisposable },
): Promise<TestAddress> {
  return {
    url,
    ...(proxy === undefined ? {} : { proxy: proxy.at }),
    reached: silence.reached,
    async [Symbol.asyncDispose]() {
      await silence[Symbol.asyncDispose]();
      await proxy?.close?.[Symbol.asyncDispose]();
    },
  };
}

/** The address of the file at a silent server. */
const at = (scheme: string, { port }: { port: number }) => `${scheme}://localhost:${port}/a.bin`;

async function behind(silence: Silence, scheme: string, secure: boolean): Promise<TestAddress> {
  const proxy = await startProxy(secure ? pair : undefined);
  return await place(silence, at(scheme, silence), {
    at: proxy.origin.replace('://', `://${USER}@`),
    close: proxy,
  });
}

/** A proxy that is itself silent, on the way to a server that gets no request. */
async function silentProxy(silence: Silence, scheme: string, secure = false): Promise<TestAddress> {
  return await place(silence, `${scheme}://hub.example:9/a.bin`, {
    at: `http${secure ? 's' : ''}://${USER}@127.0.0.1:${silence.port}`,
  });
}

async function noLookup(url: string, proxy?: string): Promise<TestAddress> {
  const { lookup, reached } = silentLookup();
  return {
    url,
    lookup,
    reached,
    ...(proxy === undefined ? {} : { proxy }),
    async [Symbol.asyncDispose]() {},
  };
}

function rows(): Row[] {
  const linux = process.platform === 'linux';
  const all: Row[] = [
    {
      way: 'direct',
      phase: 'look-up',
      says: /^hub\.example:9: no byte for 3 s while its name was looked up$/,
      place: () => noLookup('http://hub.example:9/a.bin'),
    },
    {
      way: 'tunnelled',
      phase: 'look-up of the proxy',
      says: /^the proxy http:\/\/proxy\.example:8 \(from HTTPS_PROXY\) on the way to hub\.example:9: no byte for 3 s while its name was looked up$/,
      place: () => noLookup('https://hub.example:9/a.bin', 'http://proxy.example:8'),
    },
    {
      way: 'direct',
      phase: 'head',
      says: new RegExp(`^${PLAIN} while waiting for the answer$`),
      place: async () => {
        const silence = await silentTcp();
        return await place(silence, at('http', silence));
      },
    },
    {
      way: 'direct',
      phase: 'head that drips',
      says: new RegExp(`^${PLAIN} while waiting for the answer$`),
      place: async () => {
        const silence = await silentTcp('HTTP/1.1 206 OK\r\nx: ', 'y');
        return await place(silence, at('http', silence));
      },
    },
    {
      way: 'direct',
      phase: 'body',
      says: new RegExp(`^${PLAIN} in the middle of the answer$`),
      place: async () => {
        const silence = await silentTcp(`${HEAD}abc`);
        return await place(silence, at('http', silence));
      },
    },
    {
      way: 'forwarded',
      phase: 'head',
      says: /^hub\.example:9, through the proxy http:\/\/127\.0\.0\.1:\d+ \(from HTTP_PROXY\): no byte for 3 s while waiting for the answer$/,
      place: async () => await silentProxy(await silentTcp(), 'http'),
    },
    {
      way: 'forwarded',
      phase: 'body',
      says: new RegExp(`^${VIA} in the middle of the answer$`),
      place: async () => await behind(await silentTcp(`${HEAD}abc`), 'http', false),
    },
    {
      way: 'tunnelled',
      phase: 'CONNECT',
      says: new RegExp(`^${PROXY} after it was asked to connect \\(CONNECT\\)$`),
      place: async () => await silentProxy(await silentTcp(), 'https'),
    },
    {
      way: 'tunnelled',
      phase: 'answer to CONNECT that drips',
      says: new RegExp(`^${PROXY} after it was asked to connect \\(CONNECT\\)$`),
      place: async () => await silentProxy(await silentTcp('HTTP/1.1 200 OK\r\nx: ', 'y'), 'https'),
    },
    {
      way: 'direct TLS',
      phase: 'TLS',
      says: new RegExp(`^${PLAIN} during the TLS handshake$`),
      place: async () => {
        const silence = await silentHandshake();
        return await place(silence, at('https', silence));
      },
    },
    {
      way: 'tunnelled',
      phase: 'TLS',
      says: new RegExp(`^${VIA} during the TLS handshake$`),
      place: async () => await behind(await silentHandshake(), 'https', false),
    },
    {
      way: 'tunnelled by TLS',
      phase: 'TLS of the proxy',
      says: new RegExp(`^${PROXY} during its TLS handshake$`),
      place: async () => await silentProxy(await silentHandshake(), 'https', true),
    },
  ];
  if (linux) {
    all.push(
      {
        way: 'direct',
        phase: 'TCP',
        says: /^127\.0\.0\.1:\d+: no byte for 3 s while connecting$/,
        place: async () => {
          const silence = await deafToTcp();
          return await place(silence, `http://127.0.0.1:${silence.port}/a.bin`);
        },
      },
      {
        way: 'tunnelled',
        phase: 'TCP of the proxy',
        says: new RegExp(`^${PROXY} while connecting to it$`),
        place: async () => await silentProxy(await deafToTcp(), 'https'),
      },
      {
        way: 'forwarded',
        phase: 'TCP of the proxy',
        says: new RegExp(`^${PROXY} while connecting to it$`),
        place: async () => await silentProxy(await deafToTcp(), 'http'),
      },
    );
  }
  if (pair === undefined) return all.filter(({ way }) => way !== 'tunnelled by TLS');
  for (const [way, secure] of [
    ['direct TLS', undefined],
    ['tunnelled', false],
    ['tunnelled by TLS', true],
  ] as const) {
    const to = async (silence: Silence): Promise<TestAddress> =>
      secure === undefined
        ? await place(silence, at('https', silence))
        : await behind(silence, 'https', secure);
    const who = secure === undefined ? PLAIN : VIA;
    all.push(
      {
        way,
        phase: 'head',
        says: new RegExp(`^${who} while waiting for the answer$`),
        place: async () => await to(await silentTls(pair)),
      },
      {
        way,
        phase: 'body',
        says: new RegExp(`^${who} in the middle of the answer$`),
        place: async () => await to(await silentTls(pair, `${HEAD}abc`)),
      },
    );
  }
  return all;
}

function hubEnvironment(
  { proxy, lookup }: Pick<TestAddress, 'proxy' | 'lookup'>,
  stallTimeoutMs: number,
): TestNetwork {
  const named = (origin: string): ProxyAddress | undefined =>
    proxy === undefined ? undefined : { url: proxy, origin };
  return {
    stallTimeoutMs,
    lookup,
    network: {
      httpsProxy: named('HTTPS_PROXY'),
      httpProxy: named('HTTP_PROXY'),
      noProxy: '',
      certificates: certificates === undefined ? [] : [certificates.ca],
      onlyHosts: undefined,
    },
  };
}

/** One row of each kind, which shows that limit, signal and proxy reach the client. */
const HANDED_ON: ReadonlySet<string> = new Set(['direct: head', 'direct: body', 'tunnelled: CONNECT']);

/**
 * What every client and transport promises of every phase of a request. `make` is for one client. `handsOn`: it hands every
 * request on to a client that keeps the whole contract by itself.
 */
export function silenceContract(
  name: string,
  make: (hubEnvironment: TestNetwork) => Promise<Asking>,
  { handsOn = false }: { readonly handsOn?: boolean } = {},
): void {
  const tried = rows().filter((row) => !handsOn || HANDED_ON.has(`${row.way}: ${row.phase}`));
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => new Error('did not fail'),
      (thrown: unknown) => thrown,
    );

  describe.concurrent(`${name}: silence`, () => {
    /** All of them wait at the same time. */
    const given = new Map<Row, Promise<unknown>>();
    const giveUp = async (row: Row): Promise<unknown> => {
      await using here = await row.place();
      await using client = await make(hubEnvironment(here, STALL_MS));
      return await failure(client.ask(here.url, new AbortController().signal));
    };
    beforeAll(() => {
      for (const row of tried) {
        const error = giveUp(row);
        // Its own test says so.
        error.catch(() => {});
        given.set(row, error);
      }
    });

    test.each(tried)('$phase ($way) ends within the stall limit, by its name', async (row) => {
      const error = (await given.get(row)) as Error;
      expect(error).toMatchObject({ name: 'FetchError', code: 'NETWORK', retryable: true });
      expect(error.message).toMatch(row.says);
      expect(`${error.message} ${(error as { hint?: string }).hint}`).not.toContain('secret');
    });

    test.each(tried)('$phase ($way) ends by the signal, with its reason', async (row) => {
      await using here = await row.place();
      await using client = await make(hubEnvironment(here, NEVER_MS));
      const controller = new AbortController();
      const ended = failure(client.ask(here.url, controller.signal));
      await Promise.race([here.reached, ended]);
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await ended).toBe(reason);
    });
  });

  describe.concurrent(`${name}: proxies`, () => {
    async function fileServer(secure: boolean) {
      const answer = (_: unknown, response: import('node:http').ServerResponse) => {
        seen.push((_ as import('node:http').IncomingMessage).headers['proxy-authorization']);
        response.writeHead(206, {
          'content-range': `bytes 0-${SIZE - 1}/${SIZE}`,
          'content-length': SIZE,
        });
        response.end(Buffer.alloc(SIZE, 'a'));
      };
      const seen: (string | undefined)[] = [];
      const made = secure ? createHttpsServer(pair!, answer) : createServer(answer);
      return Object.assign(await serve(made, secure ? 'https' : 'http'), { seen });
    }

    test.each([
      { scheme: 'http', secure: false },
      { scheme: 'http', secure: true },
      { scheme: 'https', secure: false },
      { scheme: 'https', secure: true },
    ])('$scheme through a proxy behind TLS: $secure', async ({ scheme, secure }) => {
      if (pair === undefined) return;
      await using server = await fileServer(scheme === 'https');
      await using proxy = await startProxy(
        secure ? pair : undefined,
        'HTTP/1.0 200 OK\r\nbad header\r\n\r\n',
      );
      const address = proxy.origin.replace('://', '://us%40er:p%3A%2F%23%5Cw@');
      await using client = await make(hubEnvironment({ proxy: address }, NEVER_MS));
      const url = `${scheme}://localhost:${server.port}/a.bin?x=1`;
      await client.ask(url, new AbortController().signal);
      const login = `Basic ${Buffer.from('us@er:p:/#\\w').toString('base64')}`;
      const wanted = scheme === 'https' ? `CONNECT localhost:${server.port} ${login}` : `GET ${url} ${login}`;
      expect(new Set(proxy.asked)).toEqual(new Set([wanted]));
      expect(new Set(server.seen)).toEqual(new Set([undefined]));
    });

    test.skipIf(handsOn).each([
      ['HTTP/1.1 407 Login\r\n\r\n', 'it wants a user and a password', false],
      ['HTTP/1.1 403 No\r\n\r\n', 'it answered 403', false],
      ['HTTP/1.1 503 Later\r\n\r\n', 'it answered 503', true],
      ['SSH-2.0-OpenSSH\r\n', 'it answered no HTTP/1.1 status line', true],
      [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}`, 'it answered a head of more than 32 KiB', true],
    ])('%j to CONNECT is named', async (words, why, retryable) => {
      await using silence = await silentTcp(words);
      await using client = await make(
        hubEnvironment({ proxy: `http://127.0.0.1:${silence.port}` }, NEVER_MS),
      );
      const error = await failure(client.ask('https://hub.example/a.bin', new AbortController().signal));
      expect(error).toMatchObject({ code: 'NETWORK', retryable });
      expect((error as Error).message).toBe(
        `the proxy http://127.0.0.1:${silence.port} (from HTTPS_PROXY) does not connect to hub.example: ${why}`,
      );
    });

    test.each(['http', 'https'])(
      'no server at the address of the proxy (%s): it is named',
      async (scheme) => {
        await using client = await make(hubEnvironment({ proxy: 'http://127.0.0.1:1' }, NEVER_MS));
        const error = await failure(
          client.ask(`${scheme}://hub.example/a.bin`, new AbortController().signal),
        );
        expect((error as Error).message).toBe(
          `the proxy http://127.0.0.1:1 (from ${scheme.toUpperCase()}_PROXY) on the way to hub.example: the connection was refused`,
        );
      },
    );
  });
}

/** Has a transport ask for the file. */
export async function askWith(transport: Transport, url: string, signal: AbortSignal): Promise<void> {
  const own = mkdtempSync(join(directory, 'part-'));
  const descriptor = openSync(join(own, 'part'), 'w');
  const location = {
    kind: 'http' as const,
    url,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  const window = { position: 0, end: SIZE };
  try {
    await transport.bring(
      { location, path: 'a.bin', fileSize: SIZE, window, descriptor },
      { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} },
      signal,
    );
  } finally {
    closeSync(descriptor);
  }
}
