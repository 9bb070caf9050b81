import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { HttpClient, type HttpClientOptions } from '../../../src/http/client.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { Revision } from '../../../src/model/repo.ts';
import { checkBinding, checkResolve } from '../../../src/operations/doctor/resolve-checks.ts';
import {
  checkAddresses,
  checkConnections,
  checkFirstByte,
} from '../../../src/operations/doctor/speed-checks.ts';
import type { HttpLocation } from '../../../src/source/location.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { serveHttp } from '../../support/server.ts';

const SIZE = 8 * 2 ** 20;
const CONTENT = Buffer.alloc(SIZE, 'x');
const TOKEN = { value: 'hf_probe', origin: 'HF_TOKEN' };
const revision: Revision = {
  repo: { type: 'model', id: 'a/b' },
  name: 'main',
  id: 'c'.repeat(40),
  gated: false,
};
const file: RemoteFile = { path: 'model.bin', size: SIZE, digest: undefined } as never;

function context(endpoint: string, more: { addresses?: readonly string[] } = {}) {
  const openHttp = (extra: Partial<HttpClientOptions> = {}) =>
    new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs: 5000, clock: systemClock, ...extra });
  return {
    http: openHttp(),
    openHttp,
    endpoint,
    token: TOKEN,
    network: undefined,
    clock: systemClock,
    signal: new AbortController().signal,
    addressesOf: more.addresses === undefined ? undefined : async () => more.addresses!,
  };
}

const locationOf = (url: string): HttpLocation => ({
  kind: 'http',
  url,
  authorization: undefined,
  expiresAt: undefined,
  ranges: 'any',
});

/** Sends a range of the content. */
function sendRange(request: IncomingMessage, response: ServerResponse): void {
  const [, start = '0', end = String(SIZE - 1)] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
  const body = CONTENT.subarray(Number(start), Number(end) + 1);
  response.writeHead(206, {
    'content-range': `bytes ${start}-${end}/${SIZE}`,
    'content-length': body.length,
    'x-hf-cdn-pop': 'aws-eu-west-3',
  });
  response.end(body);
}

/** As the Hub was measured in July 2026: an address that was asked for with a range is good for that range. */
function strictHub(headStatus = 302) {
  return serveHttp((request, response) => {
    const url = new URL(request.url ?? '/', 'http://hub');
    if (url.pathname.includes('/resolve/')) {
      const metadata = { 'x-repo-commit': revision.id, 'X-HF-Warning': 'unauthenticated; set a token' };
      if (request.method === 'HEAD' && headStatus !== 302) response.writeHead(headStatus, metadata);
      else response.writeHead(302, { ...metadata, location: `/cdn?range=${request.headers.range ?? ''}` });
      response.end();
    } else if (!['', request.headers.range].includes(url.searchParams.get('range') ?? '')) {
      response.writeHead(403, { 'content-type': 'text/plain' });
      response.end('Auth failed: invalid range');
    } else sendRange(request, response);
  });
}

test('resolve: both statuses, and what the Hub warns of', async () => {
  await using hub = await strictHub();
  const finding = await checkResolve(context(hub.origin), revision, file);
  expect(finding.state ?? 'ok').toBe('ok');
  expect(finding.message).toMatch(/^HEAD 302 in \d+ ms, GET 302 in \d+ ms$/);
  expect(finding.details).toEqual(['X-HF-Warning: unauthenticated; set a token']);
});

test.each([405, 403, 501])('resolve: HEAD is refused with %i', async (status) => {
  await using hub = await strictHub(status);
  const finding = await checkResolve(context(hub.origin), revision, file);
  expect(finding.state).toBe('warning');
  expect(finding.message).toContain(`HEAD ${status} in`);
  expect(finding.message).toContain('HEAD is refused');
});

test('resolve: a mirror that sends on to the Hub is named, and the token stays with it', async () => {
  const tokens: (string | undefined)[] = [];
  await using hub = await serveHttp((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(302, { location: 'http://cdn.invalid/x', 'x-repo-commit': revision.id });
    response.end();
  });
  await using mirror = await serveHttp((request, response) => {
    response.writeHead(308, { location: `${hub.origin}${request.url}` });
    response.end();
  });
  const finding = await checkResolve(context(mirror.origin), revision, file);
  const [from, to] = [new URL(mirror.origin).host, new URL(hub.origin).host];
  expect(finding.details).toEqual([`sent on: ${from} → ${to}`]);
  expect(finding.message).toContain('HEAD 302');
  expect(tokens).toEqual([undefined, undefined]);
});

test('binding: an address that serves its own range only', async () => {
  await using hub = await strictHub();
  const { state = 'ok', message } = await checkBinding(context(hub.origin), revision, file);
  expect(state).toBe('ok');
  expect(message).toBe(
    'bound to the range of its request (403: Auth failed: invalid range); downloads send none',
  );
});

test('binding: a hub that applies the range to its own redirect is no failure', async () => {
  await using hub = await serveHttp((_request, response) => {
    response.writeHead(416, { 'content-range': 'bytes */177' });
    response.end();
  });
  const finding = await checkBinding(context(hub.origin), revision, file);
  expect(finding).toMatchObject({ state: 'warning', hint: expect.stringContaining('send no range') });
  expect(finding.message).toMatch(/ answers a request with a range with 416$/);
});

test('binding: refused for another reason, which is said', async () => {
  await using hub = await serveHttp((request, response) => {
    const resolves = request.url?.includes('/resolve/') === true;
    response.writeHead(resolves ? 302 : 403, resolves ? { location: '/cdn?Signature=geheim' } : {});
    response.end(resolves ? '' : 'SignatureError: invalid key pair id');
  });
  const { state, message } = await checkBinding(context(hub.origin), revision, file);
  expect(state).toBe('warning');
  expect(message).toContain('403: SignatureError: invalid key pair id');
});

test('first byte: a server that keeps no connection is a warning', async () => {
  await using keeping = await serveHttp(sendRange);
  const good = await checkFirstByte(context(keeping.origin), locationOf(`${keeping.origin}/x`));
  expect(good.message).toMatch(
    /^\d+ ms on a new connection \(name \d+, connection \d+\), \d+ ms on a kept one, aws-eu-west-3$/,
  );
  expect(keeping.connections).toBe(1);
  await using closing = await serveHttp((request, response) => {
    response.shouldKeepAlive = false;
    sendRange(request, response);
  });
  const bad = await checkFirstByte(context(closing.origin), locationOf(`${closing.origin}/x`));
  expect(bad.state).toBe('warning');
});

test('connections: those that are refused are counted, and fewer are advised', async () => {
  let served = 0;
  await using hub = await serveHttp((request, response) => {
    served += 1;
    if (served > 2) request.socket.destroy();
    else sendRange(request, response);
  });
  const finding = await checkConnections(context(hub.origin), locationOf(`${hub.origin}/x`), SIZE, undefined);
  expect(finding).toMatchObject({ state: 'warning' });
  expect(finding.message).toMatch(/^2 of 4 connections bring/);
  expect(finding.details).toHaveLength(2);
});

test('connections: several that bring less than one collapse', async () => {
  const size = 40_000;
  await using hub = await serveHttp((request, response) => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')!;
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': size / 4 });
    response.write(CONTENT.subarray(0, 100));
    setTimeout(() => response.end(CONTENT.subarray(100, size / 4)), 50);
  });
  const of = (rate: number) =>
    checkConnections(context(hub.origin), locationOf(`${hub.origin}/x`), size, rate);
  expect((await of(1)).state).toBeUndefined();
  expect(await of(1e12)).toMatchObject({ state: 'warning', hint: expect.stringContaining('--connections') });
});

test('addresses: each is measured, and the one that fails is named', async () => {
  await using cdn = await serveHttp(sendRange);
  const url = new URL(`http://cdn.test:${cdn.port}/x`);
  const asked = context('http://hub.test', { addresses: ['127.0.0.1', '::1'] });
  const finding = await checkAddresses(asked, locationOf(url.href), url, SIZE);
  expect(finding).toMatchObject({
    state: 'warning',
    message: '1 of 2 addresses of cdn.test send bytes',
    details: [
      expect.stringMatching(/^127\.0\.0\.1 {2}\d+ ms, .*B\/s, aws-eu-west-3$/),
      expect.stringMatching(/^::1 {8}cdn\.test:\d+: /),
    ],
  });
});

test('addresses: 206 without a byte is a failure of that address', async () => {
  await using cdn = await serveHttp((_request, response) => {
    response.writeHead(206, { 'content-range': `bytes 0-99/${SIZE}`, 'content-length': 0 });
    response.end();
  });
  const url = new URL(`http://cdn.test:${cdn.port}/x`);
  const asked = context('http://hub.test', { addresses: ['127.0.0.1'] });
  const finding = await checkAddresses(asked, locationOf(url.href), url, SIZE);
  expect(finding.details?.[0]).toContain('answers 206 and sends no byte');
  expect(finding.message).toBe('0 of 1 addresses of cdn.test send bytes');
});
