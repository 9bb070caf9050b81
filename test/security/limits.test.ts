import type { IncomingMessage, ServerResponse } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextPage } from '../../src/http/next-page.ts';
import { parseContentRange } from '../../src/http/range.ts';
import { parseRateLimit, parseRetryAfter, serverDelay } from '../../src/http/retry-after.ts';
import { FetchError } from '../../src/model/error.ts';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import { toRemoteFile } from '../../src/source/hub/listing.ts';
import { checkNames } from '../../src/store/paths/safe-path.ts';
import { makeHubSource } from '../support/hub-source.ts';
import { serveHttp } from '../support/server.ts';
import { failureOf } from '../support/store-kit.ts';

const REVISION = {
  repo: { type: 'model', id: 'owner/name' },
  name: 'main',
  id: 'a'.repeat(40),
  gated: false,
} as const;
const never = new AbortController().signal;

type Page = (number: number, request: IncomingMessage) => { entries: unknown[]; next?: string | undefined };

/** Lists from a server that answers page after page; returns what came of it, and how many pages there were. */
async function listFrom(page: Page): Promise<{ error: FetchError; pages: number }> {
  let pages = 0;
  await using server = await serveHttp((request, response) => {
    pages += 1;
    const { entries, next } = page(pages, request);
    const link = next === undefined ? {} : { link: `<http://${request.headers.host}${next}>; rel="next"` };
    response.writeHead(200, { 'content-type': 'application/json', ...link }).end(JSON.stringify(entries));
  });
  using setup = makeHubSource({ endpoint: server.origin, stallTimeoutMs: 60_000, policy: { tries: 1 } });
  return { error: await failureOf(listed(setup.source)), pages };
}

async function listed(source: ReturnType<typeof makeHubSource>['source']): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  for await (const file of source.list(REVISION, never)) files.push(file);
  return files;
}

async function refusedBy(answer: (response: ServerResponse) => void): Promise<FetchError> {
  await using server = await serveHttp((_request, response) => answer(response));
  using setup = makeHubSource({ endpoint: server.origin, stallTimeoutMs: 60_000, policy: { tries: 1 } });
  return await failureOf(listed(setup.source));
}

const entry = (path: string, size = 1) => ({ type: 'file', path, size, oid: 'b'.repeat(40) });

describe('what a server can grow', () => {
  test('pages: those that bring nothing', async () => {
    const { error, pages } = await listFrom((number) => ({
      entries: [entry('the same')],
      next: `/api/models/owner/name/tree/x?cursor=${number}`,
    }));
    expect(error).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('brings no file') });
    expect(error.hint).toBeDefined();
    expect(pages).toBeLessThan(250);
  });

  test('pages: one that repeats', async () => {
    const { error, pages } = await listFrom((number) => ({ entries: [entry(`${number}`)], next: '/again' }));
    expect(error.message).toContain('a page repeats');
    expect(pages).toBeLessThan(5);
  });

  test('total size', async () => {
    const { error } = await listFrom(() => ({
      entries: [entry('a', 9e15), entry('b', 9e15)],
    }));
    expect(error).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('sizes add up') });
  });

  test('JSON', async () => {
    const error = await refusedBy((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(1 << 20)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    expect(error).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('is larger than') });
    expect(error.hint).toBeDefined();
  });

  test('the head of an answer', async () => {
    const error = await refusedBy((response) => {
      response.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end('[]');
    });
    expect(error.message).toContain('the head of the answer is too large');
  });

  test('redirects', async () => {
    let asked = 0;
    const error = await refusedBy((response) => {
      asked += 1;
      response.writeHead(302, { location: `/another/${asked}` }).end();
    });
    expect(error.message).toContain('redirects in circles');
    expect(error.hint).toBeDefined();
    expect(asked).toBeLessThan(15);
  });

  test('the length of a path, of a name in it, and how deep it goes', () => {
    const long = 'x'.repeat(200);
    const refused = [
      Array.from({ length: 20 }, () => long).join('/'),
      'x'.repeat(256),
      Array.from({ length: 201 }, () => 'x').join('/'),
    ];
    expect(checkNames(refused, 'posix', { caseInsensitive: false }).map(({ reason }) => reason)).toEqual([
      'it is longer than 3072 bytes',
      'a part of it is longer than 255 bytes',
      'it is more than 200 directories deep',
    ]);
  });
});

describe('parsers, whatever they are given', () => {
  const piece = fc.constantFrom(
    'bytes ',
    '0',
    '1',
    '9007199254740993',
    '-',
    '/',
    '*',
    ',',
    ';',
    '"',
    '<',
    '>',
    'rel=next',
    'rel="next"',
    'r=0',
    't=9',
    'http://x/',
    '//',
    ':',
    ' ',
    '\t',
    'GMT',
    'Wed, 21 Oct 2026 07:28:00 GMT',
    'é',
    '%2f',
    '..',
    '@',
  );
  const header = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  );

  test('Content-Range: a range inside of a file, with exact numbers, or nothing', () => {
    fc.assert(
      fc.property(header, (text) => {
        const found = parseContentRange(text);
        if (found === undefined) return;
        const { range, total } = found;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeGreaterThan(range.start);
        expect(Number.isSafeInteger(range.end)).toBe(true);
        if (total !== undefined) expect(range.end).toBeLessThanOrEqual(total);
      }),
      { numRuns: 2000 },
    );
  });

  test('Retry-After and RateLimit: a wait that is a number and not negative, or nothing', () => {
    fc.assert(
      fc.property(header, header, (one, other) => {
        for (const wait of [
          parseRetryAfter(one, 1_700_000_000_000),
          parseRateLimit(other)?.resetMs,
          serverDelay({ 'retry-after': one, ratelimit: other }, 1_700_000_000_000),
        ]) {
          if (wait === undefined) continue;
          expect(Number.isFinite(wait)).toBe(true);
          expect(wait).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('Link: a page of the endpoint, a named error, or nothing', () => {
    const endpoint = 'https://hub.example';
    fc.assert(
      fc.property(header, (text) => {
        let page: URL | undefined;
        try {
          page = nextPage(text, new URL(`${endpoint}/api/x`), endpoint);
        } catch (error) {
          expect(error).toBeInstanceOf(FetchError);
          return;
        }
        if (page !== undefined) expect(page.origin).toBe(endpoint);
      }),
      { numRuns: 2000 },
    );
  });

  test('entries of a tree: a file with a path and an exact size, a named error, or nothing', () => {
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          type: fc.constantFrom('file', 'directory', 7, null),
          path: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          size: fc.oneof(fc.double(), fc.jsonValue()),
          oid: fc.oneof(fc.stringMatching(/^[0-9a-fA-F]{40}$/), fc.jsonValue()),
          lfs: fc.oneof(
            fc.record({ oid: fc.stringMatching(/^(sha256:)?[0-9a-f]{64}$/), size: fc.nat() }),
            fc.jsonValue(),
          ),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(odd, (value) => {
        let file: RemoteFile | undefined;
        try {
          file = toRemoteFile(value);
        } catch (error) {
          expect(error).toMatchObject({ code: 'NETWORK' });
          return;
        }
        if (file === undefined) return;
        expect(file.path).not.toBe('');
        expect(Number.isSafeInteger(file.size) && file.size >= 0).toBe(true);
        if (file.digest !== undefined) expect(file.digest.hex).toMatch(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
      }),
      { numRuns: 2000 },
    );
  });
});
