import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { HttpClient } from '../../../../src/http/client.ts';
import { openPeer } from '../../../../src/source/open-source.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { serve } from '../../../support/server.ts';

const COMMIT = 'c'.repeat(40);
const REVISION = { repo: { type: 'dataset', id: 'a/b' }, name: 'main', id: COMMIT, gated: false } as const;
const FILE = { path: 'deep/#1 é.bin', size: 100, digest: undefined };

test('a location is for its own origin, and has no token', () => {
  using http = new HttpClient({ userAgent: 'test', stallTimeoutMs: 1000, clock: systemClock });
  expect(openPeer('http://a:8090/hub', http).locate(REVISION, FILE)).toEqual({
    kind: 'http',
    url: `http://a:8090/hub/datasets/a/b/resolve/${COMMIT}/deep/%231%20%C3%A9.bin`,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any',
    ownOriginOnly: true,
  });
});

test.each<[number, Record<string, string>, unknown]>([
  [206, {}, 'has it'],
  [200, {}, 'has it'],
  [302, { location: '/elsewhere' }, 'has it'],
  [503, {}, 'has it'],
  [404, {}, 'lacks it'],
  [404, { 'x-error-code': 'EntryNotFound' }, 'lacks it'],
  [404, { 'x-error-code': 'RevisionNotFound' }, 'lacks the revision'],
  [401, { 'x-error-code': 'RepoNotFound' }, 'lacks the revision'],
  [403, {}, 'NETWORK'],
])('an answer with %d and %j', async (status, headers, meaning) => {
  const asked: unknown[] = [];
  await using server = await serve(
    createServer(({ method, headers: { range, authorization } }, response) => {
      asked.push([method, range, authorization]);
      response.writeHead(status, headers).end('x');
    }),
  );
  using http = new HttpClient({ userAgent: 'test', stallTimeoutMs: 1000, clock: systemClock });
  const answer = openPeer(server.origin, http).ask(REVISION, FILE, new AbortController().signal);
  expect(await answer.catch((error) => error.code)).toBe(meaning);
  expect(asked).toEqual([['GET', 'bytes=0-0', undefined]]);
});
