import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ByteRange } from '../../src/model/byte-range.ts';
import type { FetchError } from '../../src/model/error.ts';
import type { HttpLocation } from '../../src/source/location.ts';
import type { Transport } from '../../src/transfer/transport/transport.ts';
import { wholeContent } from '../support/hub/content/content.ts';
import type { Effect } from '../support/hub/faults/effect.ts';
import { bigFile } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { serveHttp } from '../support/server.ts';
import { ASKED, Job, PATH, rangeTransportContract, SIZE } from './range-transport.contract.ts';

export interface TransportSetup extends Disposable {
  readonly transport: Transport;
}

const REPOSITORY = 'tests/big-file';
/** The stall limit of tests about silence. A second request has a longer one: a busy machine may be silent that long. */
const STALL_MS = 300;
/** Everywhere else: no machine is so busy that an answer looks like silence. */
const LONG_LIMIT_MS = 25_000;

/** Where a transport may differ from the one that copes with everything. */
export interface Latitude {
  /** Takes nothing but the plain answer, and rejects every other that is no refusal with such an error. */
  readonly oddAnswer?: (error: unknown) => boolean;
  /** Requests that a surprising answer costs; 1 unless told. */
  readonly requestsPerSurprise?: number;
  /** Hears that a window shrinks some time later, and may write beyond its new end until then. */
  readonly hearsLate?: boolean;
}

function isFetchError(error: unknown): error is FetchError {
  return error instanceof Error && error.name === 'FetchError';
}

/** Whether this makes the answer another one than the plain 206, and no refusal either. */
function isOdd(effect: Effect): boolean {
  if (effect.kind === 'status') return effect.status < 300;
  return ODD.has(effect.kind);
}

const ODD: ReadonlySet<Effect['kind']> = new Set([
  'chunked',
  'content-range',
  'gzip',
  'headers',
  'ignore-range',
  'interim',
  'long-range',
  'short-range',
]);

type Make = (options: { readonly stallTimeoutMs: number }) => TransportSetup | Promise<TransportSetup>;

/** What every transport promises, wherever the bytes are, with bytes at the CDN of a hub. */
export function httpRangeContract(
  name: string,
  make: Make,
  { hearsLate = false }: Pick<Latitude, 'hearsLate'> = {},
): void {
  rangeTransportContract(
    name,
    async () => {
      const setup = await make({ stallTimeoutMs: LONG_LIMIT_MS });
      const server = await startHub({ repositories: [bigFile(SIZE)] });
      const { files } = server.repository(REPOSITORY).commitOf('main');
      const answer = await fetch(`${server.origin}/${REPOSITORY}/resolve/main/${PATH}`, {
        redirect: 'manual',
      });
      const url = answer.headers.get('location')!;
      const location = {
        kind: 'http',
        url,
        authorization: undefined,
        expiresAt: undefined,
        ranges: 'any',
      } as const;
      return {
        transport: setup.transport,
        location,
        gone: { ...location, url: 'http://127.0.0.1:1' },
        content: await wholeContent(files.get(PATH)!.content),
        [Symbol.asyncDispose]: async () => {
          setup[Symbol.dispose]();
          await server.close();
        },
      };
    },
    { hearsLate },
  );
}

/** What every transport over HTTP promises. Stalls are to be noticed after `stallTimeoutMs`. */
export function transportContract(
  name: string,
  make: Make,
  { oddAnswer, requestsPerSurprise = 1, hearsLate = false }: Latitude = {},
): void {
  const strict = oddAnswer !== undefined;
  /** For transports that cope with everything. */
  const coping = test.skipIf(strict);
  const taken = <Row extends [string | number, ...unknown[]]>(rows: Row[], ...odd: Row[0][]): Row[] =>
    strict ? rows.filter(([title]) => !odd.includes(title)) : rows;

  httpRangeContract(name, make, { hearsLate });

  describe(`${name} keeps the contract of a transport over HTTP`, () => {
    const TOKEN = 'hf_topsecret';
    let hub: Hub;
    let content: Buffer;
    let setup: TransportSetup;
    const { signal } = new AbortController();

    beforeAll(async () => {
      hub = await startHub({
        repositories: [bigFile(SIZE)],
        tokens: [{ token: TOKEN, user: 'reader', access: 'all' }],
      });
      content = await wholeContent(hub.repository(REPOSITORY).commitOf('main').files.get(PATH)!.content);
    });

    afterAll(async () => {
      await hub.close();
    });

    // A new one for each test: it may have learned something about the host in the last.
    beforeEach(async () => {
      setup = await make({ stallTimeoutMs: LONG_LIMIT_MS });
      hub.faults.clear();
      hub.log.clear();
      hub.settings.directAnswers = false;
    });

    afterEach(() => setup[Symbol.dispose]());

    const resolveUrl = () => `${hub.origin}/${REPOSITORY}/resolve/main/${PATH}`;
    const authorization = () => ({ origin: hub.origin, value: `Bearer ${TOKEN}` });

    /** The signed URL at the CDN, as a source gives it. */
    async function signed(): Promise<HttpLocation> {
      const answer = await fetch(resolveUrl(), { redirect: 'manual' });
      await answer.arrayBuffer();
      hub.log.clear();
      return {
        kind: 'http' as const,
        url: answer.headers.get('location')!,
        authorization: undefined,
        expiresAt: undefined,
        ranges: 'any',
      };
    }

    const fault = (...effect: Effect[]) =>
      hub.faults.add({ on: 'cdn', times: effect.some(isOdd) ? requestsPerSurprise : 1, effect });
    /** For tests of silence: it is noticed soon. */
    const withShortLimit = () => replace(STALL_MS);
    const withLongLimit = () => replace(LONG_LIMIT_MS);
    const replace = async (stallTimeoutMs: number) => {
      setup[Symbol.dispose]();
      setup = await make({ stallTimeoutMs });
    };
    const bring = (job: Job, aborting = signal) => setup.transport.bring(job.job, job.observer, aborting);

    async function failure(job: Job): Promise<FetchError> {
      const error = await bring(job).then(
        () => new Error('did not fail'),
        (thrown: unknown) => thrown,
      );
      // Compiled code has a class of its own.
      if (!isFetchError(error)) throw error;
      expect(`${error.message} ${error.hint}`).not.toMatch(/Signature|topsecret/);
      return error;
    }

    test.each<ByteRange>([
      { start: 0, end: 1 },
      { start: 0, end: SIZE },
      { start: SIZE - 1, end: SIZE },
      { start: 65_535, end: 65_537 },
      ASKED,
    ])('brings $start-$end exactly, with no more requests than it takes', async (range) => {
      using job = new Job(await signed(), range);
      await bring(job);
      job.expectOnly(content, range);
      expect(job.window).toEqual({ position: range.end, end: range.end });
      expect(job.wholeFiles).toBe(0);
      expect(job.moves).toEqual([]);
      const plain = { acceptEncoding: 'identity', authorization: 'none' };
      const header = `bytes=${range.start}-${range.end - 1}`;
      expect(hub.log.entries).toMatchObject([{ range: header, ...plain }]);
    });

    test('asks for nothing when nothing is wanted any more', async () => {
      using job = new Job(await signed(), { start: 5, end: 5 });
      await bring(job);
      expect(hub.log.count()).toBe(0);
    });

    describe('answers of another length', () => {
      coping('a shorter range leaves the rest of the window', async () => {
        fault({ kind: 'short-range', bytes: 1000 });
        using job = new Job(await signed(), ASKED);
        await bring(job);
        job.expectOnly(content, { start: ASKED.start, end: ASKED.start + 1000 });
        expect(job.window).toEqual({ position: ASKED.start + 1000, end: ASKED.end });
        await bring(job);
        job.expectOnly(content, ASKED);
      });

      coping('a longer range is cut off at the end of the window', async () => {
        fault({ kind: 'long-range', bytes: 500_000 });
        using job = new Job(await signed(), ASKED);
        await bring(job);
        job.expectOnly(content, ASKED);
      });

      coping('more bytes than the head announces are not written', async () => {
        await using server = await serveHttp((_, response) => {
          response.writeHead(206, { 'content-range': `bytes 10-19/${SIZE}` });
          response.end(content.subarray(10, 5000));
        });
        using job = new Job(
          { kind: 'http', url: server.origin, authorization: undefined, expiresAt: undefined, ranges: 'any' },
          { start: 10, end: 400 },
        );
        await bring(job);
        job.expectOnly(content, { start: 10, end: 20 });
      });
    });

    describe('answers that are refused', () => {
      coping.each<[string, Effect]>([
        ['another start', { kind: 'content-range', shift: 1 }],
        ['an earlier start', { kind: 'content-range', shift: -1000 }],
        ['another total', { kind: 'content-range', total: SIZE + 1 }],
        ['a smaller total', { kind: 'content-range', total: SIZE - 1 }],
        ['a Content-Range of nonsense', { kind: 'headers', set: { 'Content-Range': 'bytes */*' } }],
        ['several ranges', { kind: 'headers', set: { 'Content-Range': 'bytes 0-1/9, bytes 3-4/9' } }],
      ])('%s: nothing is written', async (_, effect) => {
        fault(effect);
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({
          code: 'NETWORK',
          retryable: true,
          status: undefined,
          message: expect.stringContaining('another range'),
        });
        job.expectOnly(content);
        expect(job.window).toEqual({ position: ASKED.start, end: ASKED.end });
        // The next attempt is not disturbed by what is left of this one.
        await bring(job);
        job.expectOnly(content, ASKED);
      });

      coping('a 206 that does not say its range is taken by its length, where that is exact', async () => {
        fault({ kind: 'headers', drop: ['Content-Range'] });
        using job = new Job(await signed(), ASKED);
        await bring(job);
        job.expectOnly(content, ASKED);
      });

      coping.each<[string, Effect[]]>([
        [
          'another length',
          [
            { kind: 'short-range', bytes: 1000 },
            { kind: 'headers', drop: ['Content-Range'] },
          ],
        ],
        ['no length', [{ kind: 'chunked' }, { kind: 'headers', drop: ['Content-Range'] }]],
      ])('a 206 that does not say its range, of %s, is a host without ranges', async (_, effects) => {
        fault(...effects);
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', status: 206, refusal: 'no-ranges' });
        job.expectOnly(content);
      });

      coping('a range that comes with 200 is a range, if it is exactly the one', async () => {
        await using server = await serveHttp((_, response) => {
          response.writeHead(200, { 'content-range': `bytes 10-399/${SIZE}`, 'content-length': 390 });
          response.end(content.subarray(10, 400));
        });
        using job = new Job(
          { kind: 'http', url: server.origin, authorization: undefined, expiresAt: undefined, ranges: 'any' },
          { start: 10, end: 400 },
        );
        await bring(job);
        job.expectOnly(content, { start: 10, end: 400 });
        expect(job.wholeFiles).toBe(0);
      });

      coping('without ranges, the whole file is asked for', async () => {
        using job = new Job({ ...(await signed()), ranges: 'none' }, { start: 0, end: SIZE });
        await bring(job);
        expect(job.wholeFiles).toBe(1);
        job.expectOnly(content, { start: 0, end: SIZE });
        expect(hub.log.entries.filter(({ range }) => range !== undefined)).toEqual([]);
      });

      test('an address for one range is asked for just that, and written as far as it is wanted', async () => {
        using job = new Job({ ...(await signed()), ranges: 'exact', range: ASKED }, ASKED);
        job.window.end = ASKED.end - 1000;
        await bring(job);
        job.expectOnly(content, { start: ASKED.start, end: ASKED.end - 1000 });
        expect(hub.log.entries.map(({ range }) => range)).toEqual([`bytes=${ASKED.start}-${ASKED.end - 1}`]);
      });

      coping('a total that the server does not know is none', async () => {
        const { start, end } = ASKED;
        fault({ kind: 'headers', set: { 'Content-Range': `bytes ${start}-${end - 1}/*` } });
        using job = new Job(await signed(), ASKED);
        await bring(job);
        job.expectOnly(content, ASKED);
      });

      coping('a page of HTML instead of the file', async () => {
        fault({ kind: 'status', status: 200, body: '<html>Sign in</html>' });
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({
          code: 'NETWORK',
          retryable: true,
          hint: expect.stringContaining('proxy'),
        });
        job.expectOnly(content);
        expect(job.wholeFiles).toBe(0);
      });

      test.each([...(strict ? [] : [204]), 400, 401, 403, 404, 410, 416, 418, 429, 500, 502, 503, 504])(
        'status %d is handed on',
        async (status) => {
          fault({ kind: 'status', status, body: 'Signature=topsecret' });
          using job = new Job(await signed(), ASKED);
          expect(await failure(job)).toMatchObject({
            code: 'NETWORK',
            status,
            retryable: true,
            hint: expect.any(String),
            message: expect.stringContaining(`answered ${status} for ${PATH}`),
          });
          job.expectOnly(content);
        },
      );

      test('how long to wait is handed on as well', async () => {
        for (const tell of ['retry-after-seconds', 'rate-limit-header'] as const) {
          fault({ kind: 'rate-limited', seconds: 7, tell });
          using job = new Job(await signed(), ASKED);
          expect((await failure(job)).retryAfterMs).toBeGreaterThanOrEqual(7000);
        }
        fault({ kind: 'status', status: 503, headers: { 'Retry-After': '9' } });
        using job = new Job(await signed(), ASKED);
        expect((await failure(job)).retryAfterMs).toBe(9000);
      });
    });

    describe.runIf(strict)('answers that only another transport can take', () => {
      test.each<[string, Effect[]]>([
        ['a shorter range', [{ kind: 'short-range', bytes: 1000 }]],
        ['a longer range', [{ kind: 'long-range', bytes: 1000 }]],
        ['another start', [{ kind: 'content-range', shift: 1 }]],
        ['another total', [{ kind: 'content-range', total: SIZE + 1 }]],
        ['no Content-Range', [{ kind: 'headers', drop: ['Content-Range'] }]],
        ['an unknown total', [{ kind: 'headers', set: { 'Content-Range': 'bytes 1000001-2499999/*' } }]],
        ['the whole file', [{ kind: 'ignore-range' }]],
        ['chunks', [{ kind: 'chunked' }]],
        ['a coding', [{ kind: 'gzip' }]],
        ['a page', [{ kind: 'status', status: 200, body: '<html>' }]],
        ['nothing', [{ kind: 'status', status: 204 }]],
        ['an interim answer', [{ kind: 'interim' }]],
        ['a redirect', [{ kind: 'redirect', location: '/elsewhere' }]],
        ['a redirect to nowhere', [{ kind: 'redirect-nowhere' }]],
        ['no HTTP', [{ kind: 'raw', text: 'SSH-2.0-OpenSSH\r\n' }]],
        ['old HTTP', [{ kind: 'raw', text: 'HTTP/1.0 206 OK\r\n\r\n' }]],
        [
          'two lengths',
          [{ kind: 'raw', text: 'HTTP/1.1 206 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n' }],
        ],
        ['a folded line', [{ kind: 'raw', text: 'HTTP/1.1 206 OK\r\nA: b\r\n c\r\n\r\n' }]],
        ['a head without end', [{ kind: 'raw', text: `HTTP/1.1 206 OK\r\nA: ${'b'.repeat(40_000)}` }]],
      ])('%s: is unsupported, and nothing is written', async (_, effects) => {
        hub.faults.add({ on: 'cdn', effect: effects });
        using job = new Job(await signed(), ASKED);
        const error = await bring(job).catch((thrown: unknown) => thrown);
        expect(oddAnswer?.(error), String(error)).toBe(true);
        job.expectOnly(content);
        expect(job.window).toEqual({ position: ASKED.start, end: ASKED.end });
        expect(job.wholeFiles).toBe(0);
        expect(job.moves).toEqual([]);
        await bring(job);
        job.expectOnly(content, ASKED);
      });
    });

    describe('a server that ignores ranges', () => {
      coping('gives the window what it wants of the whole file', async () => {
        fault({ kind: 'ignore-range' });
        using job = new Job(await signed(), ASKED);
        await bring(job);
        expect(job.wholeFiles).toBe(1);
        job.expectOnly(content, ASKED);
      });

      coping('fills a window that is widened when it is told', async () => {
        fault({ kind: 'ignore-range' });
        using job = new Job(await signed(), ASKED);
        job.onWholeFile = () => {
          job.window.position = 1234;
          job.window.end = SIZE;
        };
        await bring(job);
        job.expectOnly(content, { start: 1234, end: SIZE });
      });

      coping.each<[string, Effect]>([
        ['without a length', { kind: 'chunked' }],
        ['compressed', { kind: 'gzip' }],
      ])('%s too', async (_, effect) => {
        fault({ kind: 'ignore-range' }, effect);
        using job = new Job(await signed(), ASKED);
        job.onWholeFile = () => {
          job.window.position = 0;
          job.window.end = SIZE;
        };
        await bring(job);
        job.expectOnly(content, { start: 0, end: SIZE });
      });

      coping.each<[string, Effect]>([
        ['a reset', { kind: 'reset', at: 1000 }],
        ['silence', { kind: 'stall', at: 1000 }],
      ])('and has ended by %s before the window was widened', async (_, effect) => {
        await withShortLimit();
        fault({ kind: 'ignore-range' }, effect);
        using job = new Job(await signed(), ASKED);
        job.onWholeFile = () => sleep(STALL_MS + 100);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true });
      });

      coping('and breaks off: what came is kept', async () => {
        fault({ kind: 'ignore-range' }, { kind: 'truncate', at: 1_500_000 });
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true });
        job.expectOnly(content, { start: ASKED.start, end: 1_500_000 });
      });
    });

    describe('bodies that break off', () => {
      test.each(
        taken<[string, Effect[]]>(
          [
            ['a clean end', [{ kind: 'truncate', at: 100_000 }]],
            ['a reset', [{ kind: 'reset', at: 100_000 }]],
            ['silence', [{ kind: 'stall', at: 100_000 }]],
            ['chunks that end early', [{ kind: 'chunked' }, { kind: 'truncate', at: 100_000 }]],
          ],
          'chunks that end early',
        ),
      )('%s: what came is kept, and the next attempt goes on there', async (_, effects) => {
        const isSilent = effects.some(({ kind }) => kind === 'stall');
        if (isSilent) await withShortLimit();
        fault(...effects);
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true, status: undefined });
        const { position } = job.window;
        // A reset may overtake bytes that were on their way.
        expect(position).toBeLessThanOrEqual(ASKED.start + 100_000);
        job.expectOnly(content, ...(position > ASKED.start ? [{ start: ASKED.start, end: position }] : []));
        if (isSilent) await withLongLimit();
        const before = hub.log.count();
        await bring(job);
        job.expectOnly(content, ASKED);
        const rest = `bytes=${position}-${ASKED.end - 1}`;
        expect(hub.log.entries.slice(before).map(({ range }) => range)).toEqual([rest]);
      });

      test.each<[string, Effect]>([
        ['a clean end', { kind: 'truncate', at: 0 }],
        ['a reset', { kind: 'reset', at: 'before-head' }],
        ['silence', { kind: 'stall', at: 'before-head' }],
        ['silence after the head', { kind: 'stall', at: 0 }],
      ])('%s before the first byte', async (_, effect) => {
        if (effect.kind === 'stall') await withShortLimit();
        fault(effect);
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true });
        job.expectOnly(content);
      });

      test('silence is called by its name, with the limit that was given', async () => {
        await withShortLimit();
        fault({ kind: 'stall', at: 100_000 });
        using job = new Job(await signed(), ASKED);
        expect((await failure(job)).message).toContain('no byte for 0.3 s');
      });

      coping('compressed data that breaks off is no success', async () => {
        fault({ kind: 'gzip' }, { kind: 'truncate', at: 100_000 });
        using job = new Job(await signed(), ASKED);
        expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true });
      });
    });

    test.each(
      taken<[string, Effect]>(
        [
          ['chunks', { kind: 'chunked' }],
          ['gzip', { kind: 'gzip' }],
          ['a slow line', { kind: 'slow', bytesPerSecond: 8_000_000 }],
          ['a connection that is not kept', { kind: 'close-connection' }],
          ['a first byte that comes late', { kind: 'delay', ms: STALL_MS }],
        ],
        'chunks',
        'gzip',
      ),
    )('%s make no difference', async (_, effect) => {
      fault(effect);
      using job = new Job(await signed(), ASKED);
      await bring(job);
      job.expectOnly(content, ASKED);
    });

    describe('redirects', () => {
      coping('are followed, asked for without a range first, and the place is told', async () => {
        using job = new Job(
          {
            kind: 'http',
            url: resolveUrl(),
            authorization: authorization(),
            expiresAt: undefined,
            ranges: 'any',
          },
          ASKED,
        );
        await bring(job);
        job.expectOnly(content, ASKED);
        expect(job.moves).toHaveLength(1);
        expect(job.moves[0]!.startsWith(hub.cdnOrigin)).toBe(true);
        expect(hub.log.count({ origin: 'hub' })).toBe(requestsPerSurprise + 1);
        expect(hub.log.count({ origin: 'cdn' })).toBe(1);
        for (const { origin, authorization: sent } of hub.log.entries) {
          expect(sent).toBe(origin === 'hub' ? 'valid' : 'none');
        }
        expect(hub.log.tokenLeaks()).toEqual([]);
      });

      coping(
        'the credential goes to its own origin only, also when that redirects within itself',
        async () => {
          hub.settings.directAnswers = true;
          hub.faults.add({
            on: 'resolve',
            times: requestsPerSurprise + 1,
            effect: { kind: 'redirect', location: `/${REPOSITORY}/resolve/main/./${PATH}?again=1` },
          });
          using job = new Job(
            {
              kind: 'http',
              url: resolveUrl(),
              authorization: authorization(),
              expiresAt: undefined,
              ranges: 'any',
            },
            ASKED,
          );
          await bring(job);
          job.expectOnly(content, ASKED);
          const sent = hub.log.entries.map((entry) => entry.authorization);
          expect(sent).toEqual(Array(requestsPerSurprise + 2).fill('valid'));
          hub.settings.directAnswers = false;
          const elsewhere = { origin: 'https://hub.example', value: 'Bearer x' };
          using other = new Job({ ...(await signed()), authorization: elsewhere }, ASKED);
          await bring(other);
          expect(hub.log.tokenLeaks()).toEqual([]);
        },
      );

      coping('to a place that refuses are no move', async () => {
        fault({ kind: 'expired' });
        using job = new Job(
          {
            kind: 'http',
            url: resolveUrl(),
            authorization: authorization(),
            expiresAt: undefined,
            ranges: 'any',
          },
          ASKED,
        );
        expect(await failure(job)).toMatchObject({ status: 403 });
        expect(job.moves).toEqual([]);
      });

      coping.each<[string, Effect, RegExp]>([
        ['in circles', { kind: 'redirect-loop' }, /redirects in circles/],
        ['to nowhere', { kind: 'redirect-nowhere' }, /without saying where/],
        ['to another scheme', { kind: 'redirect', location: 'ftp://127.0.0.1/x' }, /to a ftp: address/],
      ])('%s are named', async (_, effect, message) => {
        hub.faults.add({ on: 'cdn', times: 'always', effect });
        using job = new Job(await signed(), ASKED);
        const error = await failure(job);
        expect(error.code).toBe('NETWORK');
        expect(error.message).toMatch(message);
        expect(hub.log.count()).toBeLessThanOrEqual(10 + requestsPerSurprise);
      });
    });

    describe('a window that shrinks', () => {
      test('on the way is filled to its new end and no further', async () => {
        // Every answer: a transport that asks for a first part is slow in the second, too.
        hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'slow', bytesPerSecond: 2_000_000 } });
        using job = new Job(await signed(), ASKED);
        const end = ASKED.start + 500_000;
        job.onWrote = () => {
          job.window.end = Math.min(job.window.end, end);
          setup.transport.narrowed?.(job.window);
        };
        await bring(job);
        job.expectOnly(content, { start: ASKED.start, end: hearsLate ? job.window.position : end });
        expect(job.window.position).toBeGreaterThanOrEqual(end);
        expect(hub.log.bytesSent('cdn')).toBeLessThan(ASKED.end - ASKED.start);
      });

      test('to where it stands ends with the next bytes', async () => {
        fault({ kind: 'slow', bytesPerSecond: 4_000_000 });
        using job = new Job(await signed(), ASKED);
        job.onWrote = () => {
          job.window.end = job.window.position;
          setup.transport.narrowed?.(job.window);
        };
        await bring(job);
        const [range] = job.written.ranges;
        job.expectOnly(content, range!);
      });

      test('before the answer is honoured too', async () => {
        fault({ kind: 'delay', ms: 500 });
        using job = new Job(await signed(), ASKED);
        const brought = bring(job);
        while (hub.log.count({ kind: 'cdn' }) === 0) await sleep(2);
        job.window.end = ASKED.start + 10;
        setup.transport.narrowed?.(job.window);
        await brought;
        job.expectOnly(content, { start: ASKED.start, end: ASKED.start + 10 });
      });
    });

    describe('an abort', () => {
      test.each<[string, Effect]>([
        ['before the head', { kind: 'stall', at: 'before-head' }],
        ['after the head', { kind: 'stall', at: 0 }],
        ['in the body', { kind: 'stall', at: 100_000 }],
        ['in a running body', { kind: 'slow', bytesPerSecond: 2_000_000 }],
      ])('%s ends it with its reason, and nothing is written later', async (_, effect) => {
        fault(effect);
        using job = new Job(await signed(), ASKED);
        const controller = new AbortController();
        const brought = bring(job, controller.signal);
        const reason = new Error('stop');
        setTimeout(() => controller.abort(reason), 60);
        await expect(brought).rejects.toBe(reason);
        const { size } = job.written;
        await sleep(30);
        expect(job.written.size).toBe(size);
        job.expectOnly(content, ...job.written.ranges);
      });

      test('before it begins keeps it from asking', async () => {
        using job = new Job(await signed(), ASKED);
        const reason = new Error('stop');
        await expect(bring(job, AbortSignal.abort(reason))).rejects.toBe(reason);
        expect(hub.log.count()).toBe(0);
      });
    });

    test('a closed port is a failure of the network', async () => {
      const server = await serveHttp(() => {});
      await server[Symbol.asyncDispose]();
      using job = new Job(
        { kind: 'http', url: server.origin, authorization: undefined, expiresAt: undefined, ranges: 'any' },
        ASKED,
      );
      expect(await failure(job)).toMatchObject({ code: 'NETWORK', retryable: true });
    });

    test('a connection serves again after a range', async () => {
      await using server = await serveHttp((request, response) => {
        const [start = 0, last = 0] = (request.headers.range ?? '').match(/\d+/g)?.map(Number) ?? [];
        const head = {
          'content-range': `bytes ${start}-${last}/${SIZE}`,
          'content-length': last - start + 1,
        };
        response.writeHead(206, head).end(content.subarray(start, last + 1));
      });
      for (let round = 0; round < 6; round += 1) {
        using job = new Job(
          { kind: 'http', url: server.origin, authorization: undefined, expiresAt: undefined, ranges: 'any' },
          ASKED,
        );
        await bring(job);
        job.expectOnly(content, ASKED);
        await sleep(2);
      }
      // One for each way of speaking, where there are two.
      expect(server.connections).toBeLessThanOrEqual(2);
    });
  });
}
