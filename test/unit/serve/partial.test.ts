import { mkdtempSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ByteRange } from '../../../src/model/byte-range.ts';
import { BLOCK_BYTES } from '../../../src/model/flat-ranges.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { Catalog } from '../../../src/serve/catalog.ts';
import { createHubServer } from '../../../src/serve/hub-server.ts';
import { VerifiedFiles } from '../../../src/serve/verified-files.ts';
import { openCacheRevisions, openDirectoryRevisions, openRecords } from '../../../src/store/open-store.ts';
import type { Claim, OwnerMark } from '../../../src/store/records/records.ts';
import type { Store } from '../../../src/store/store.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { directoryStore } from '../../support/directory-store.ts';
import { hubCacheStore } from '../../support/hub-cache-store.ts';
import { serve, type TestServer } from '../../support/server.ts';
import {
  bytes,
  COMMIT_A,
  digestsOf,
  gitFile,
  lfsFile,
  never,
  publication,
  revision,
  write,
} from '../../support/store-kit.ts';

const NODE = '0123456789abcdef';
const BIG = bytes(20 * BLOCK_BYTES + 12_345, 3);
const SMALL = Buffer.from('{"small": true}\n');
const BIG_FILE = lfsFile('deep/model.bin', BIG);
const SMALL_FILE = gitFile('config.json', SMALL);
const FILES = [BIG_FILE, SMALL_FILE];

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'partial-'));
});

afterEach(() => rmSync(root, { recursive: true }));

interface Layout {
  readonly store: () => Store;
  readonly claim: (claim: Claim) => Promise<OwnerMark>;
  readonly serve: () => Promise<TestServer>;
}

const repo = revision().repo;

async function serveOver(sources: ConstructorParameters<typeof Catalog>[0]): Promise<TestServer> {
  const files = new VerifiedFiles(
    async () => false,
    () => {},
    never,
  );
  const catalog = new Catalog(sources, systemClock);
  return await serve(createHubServer({ catalog, files, clock: systemClock, tell: () => {} }));
}

const LAYOUTS: readonly [string, Layout][] = [
  [
    'a directory',
    {
      store: () => directoryStore({ directory: root }),
      claim: (claim) => openRecords({ directory: root, repo }).claim(revision(), claim),
      serve: () => serveOver([openDirectoryRevisions(root)]),
    },
  ],
  [
    'a central cache',
    {
      store: () => hubCacheStore({ directory: root }),
      claim: (claim) =>
        openRecords({ directory: root, repo, cache: { links: true } }).claim(revision(), claim),
      serve: () => serveOver([openCacheRevisions(root)]),
    },
  ],
];

interface Taken {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the answer came to its end. */
  readonly whole: boolean;
}

function ask(url: string, headers: Record<string, string> = {}, meanwhile = async () => {}): Promise<Taken> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => {
      const chunks: Buffer[] = [];
      answer.once('data', () => {
        answer.pause();
        void meanwhile().then(() => answer.resume());
      });
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => {});
      answer.on('close', () =>
        resolve({ status: answer.statusCode!, body: Buffer.concat(chunks), whole: answer.complete }),
      );
    };
    get(url, { headers, agent: false }, onAnswer).on('error', reject);
  });
}

const fileUrl = ({ origin }: TestServer, { path }: RemoteFile) =>
  `${origin}/owner/name/resolve/${COMMIT_A}/${path}`;
const partUrl = (server: TestServer, file: RemoteFile) => `${fileUrl(server, file)}?partial=true`;
const rangeOf = ({ start, end }: ByteRange) => ({ range: `bytes=${start}-${end - 1}` });

async function statusOf({ origin }: TestServer): Promise<unknown> {
  const { status, body } = await ask(`${origin}/api/models/owner/name/partial/${COMMIT_A}`);
  return status === 200 ? JSON.parse(body.toString()) : status;
}

/** The answers about a run are made anew after a moment. */
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 250));

describe.each(LAYOUTS)('%s', (_name, layout) => {
  const claim = () => layout.claim({ endpoint: 'https://hub.example', node: NODE, files: FILES });

  test('ordinary clients see nothing of a run, and machines that ask see what is written', async () => {
    await using store = layout.store();
    await store.open();
    await using server = await layout.serve();
    expect(await statusOf(server)).toBe(404);
    await using mark = await claim();
    mark.tell({
      nodes: new Map([['f'.repeat(16), 1]]),
      fetching: new Map([[BIG_FILE.path, [{ start: 0, end: 100 }]]]),
    });
    await using staged = await store.stage(BIG_FILE);
    await write(staged, BIG, 0, 2 * BLOCK_BYTES);
    await write(staged, BIG, 5 * BLOCK_BYTES, 7 * BLOCK_BYTES + 100);
    await aMoment();
    expect(await statusOf(server)).toEqual({
      version: 1,
      node: NODE,
      nodes: { ffffffffffffffff: 1 },
      files: [
        [BIG_FILE.path, [0, 2 * BLOCK_BYTES, 5 * BLOCK_BYTES, 7 * BLOCK_BYTES], [0, 100]],
        [SMALL_FILE.path, []],
      ],
    });
    const { origin } = server;
    const api = `${origin}/api/models/owner/name`;
    for (const url of [
      api,
      `${api}/revision/main`,
      `${api}/revision/${COMMIT_A}`,
      `${api}/refs`,
      `${api}/tree/${COMMIT_A}?recursive=true`,
      `${api}/tree/${COMMIT_A}?partial=true`,
      `${api}/partial/main`,
      `${api}/partial/${COMMIT_A.slice(0, 12)}`,
      fileUrl(server, BIG_FILE),
      `${origin}/owner/name/resolve/main/${BIG_FILE.path}?partial=true`,
      `${origin}/owner/name/raw/${COMMIT_A}/${BIG_FILE.path}?partial=true`,
      `${origin}/owner/name/resolve/${COMMIT_A}/no/such.bin?partial=true`,
      `${origin}/owner/name/resolve/${COMMIT_A}/..%2f..%2ftransfer.json?partial=true`,
    ])
      expect([url, (await ask(url, rangeOf({ start: 0, end: 10 }))).status]).toEqual([url, 404]);

    const written = { start: 5 * BLOCK_BYTES + 7, end: 7 * BLOCK_BYTES - 3 };
    const right = await ask(partUrl(server, BIG_FILE), rangeOf(written));
    expect(right.status).toBe(206);
    expect(right.body.equals(BIG.subarray(written.start, written.end))).toBe(true);
    for (const headers of [
      {},
      rangeOf({ start: 0, end: BIG.length }),
      rangeOf({ start: 2 * BLOCK_BYTES - 1, end: 2 * BLOCK_BYTES + 1 }),
      // Written, and its block is not complete.
      rangeOf({ start: 7 * BLOCK_BYTES, end: 7 * BLOCK_BYTES + 100 }),
      rangeOf({ start: BIG.length, end: BIG.length + 1 }),
    ] as Record<string, string>[])
      expect((await ask(partUrl(server, BIG_FILE), headers)).status).toBe(416);
  });

  test('finished files are served to machines that ask, and all of it when the run has ended', async () => {
    await using server = await layout.serve();
    {
      await using store = layout.store();
      await store.open();
      await using _mark = await claim();
      {
        await using staged = await store.stage(BIG_FILE);
        await write(staged, BIG);
        await staged.commit(digestsOf(BIG));
      }
      await aMoment();
      expect(await statusOf(server)).toMatchObject({
        files: [
          [BIG_FILE.path, true],
          [SMALL_FILE.path, []],
        ],
      });
      expect((await ask(fileUrl(server, BIG_FILE))).status).toBe(404);
      expect((await ask(partUrl(server, BIG_FILE))).body.equals(BIG)).toBe(true);
      {
        await using staged = await store.stage(SMALL_FILE);
        await write(staged, SMALL);
        await staged.commit(digestsOf(SMALL));
      }
      await store.publish(publication(revision(), FILES, FILES));
    }
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await statusOf(server)).toEqual({ version: 1, complete: true });
    expect((await ask(fileUrl(server, BIG_FILE))).body.equals(BIG)).toBe(true);
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => name.includes('transfer'))).toEqual([]);
  });

  test('a part that gets its final name during an answer is sent to its end', async () => {
    await using store = layout.store();
    await store.open();
    await using _mark = await claim();
    await using server = await layout.serve();
    await using staged = await store.stage(BIG_FILE);
    await write(staged, BIG);
    const { body, whole } = await ask(partUrl(server, BIG_FILE), rangeOf({ start: 0, end: BIG.length }), () =>
      staged.commit(digestsOf(BIG)),
    );
    expect(whole).toBe(true);
    expect(body.equals(BIG)).toBe(true);
  });

  test('a part that is given up during an answer ends it before a byte of what comes next', async () => {
    await using store = layout.store();
    await store.open();
    await using _mark = await claim();
    await using server = await layout.serve();
    await using staged = await store.stage(BIG_FILE);
    await write(staged, BIG);
    const { body, whole } = await ask(
      partUrl(server, BIG_FILE),
      rangeOf({ start: 0, end: BIG.length }),
      async () => {
        staged.restart();
        writeSync(staged.descriptor, Buffer.alloc(BIG.length, 1), 0, BIG.length, 0);
      },
    );
    expect(whole).toBe(false);
    expect(body.equals(BIG.subarray(0, body.length))).toBe(true);
  });

  test('what a killed run left is served', async () => {
    await using server = await layout.serve();
    const store = layout.store();
    await store.open();
    await claim();
    const staged = await store.stage(BIG_FILE);
    await write(staged, BIG, 0, 4 * BLOCK_BYTES);
    // Nothing of the run ends in order.
    const range = { start: 0, end: 4 * BLOCK_BYTES };
    const { status, body } = await ask(partUrl(server, BIG_FILE), rangeOf(range));
    expect(status).toBe(206);
    expect(body.equals(BIG.subarray(0, range.end))).toBe(true);
    await staged[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  test('no byte is ever sent that was not written', async () => {
    const place = fc.nat({ max: BIG.length - 1 });
    const step = fc.record({
      kind: fc.constantFrom('write', 'write', 'ask', 'ask', 'ask', 'restart'),
      at: place,
      bytes: fc.integer({ min: 1, max: 6 * BLOCK_BYTES }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
        await using store = layout.store();
        await store.open();
        await using _mark = await claim();
        await using server = await layout.serve();
        await using staged = await store.stage(BIG_FILE);
        staged.restart();
        // What no journal says is never to be seen.
        writeSync(staged.descriptor, Buffer.alloc(BIG.length, 0xee), 0, BIG.length, 0);
        const written = new IntervalSet();
        for (const { kind, at, bytes: count } of steps) {
          const range = { start: at, end: Math.min(BIG.length, at + count) };
          if (kind === 'write') {
            written.add(range);
            await write(staged, BIG, range.start, range.end);
          } else if (kind === 'restart') {
            written.remove(range);
            staged.restart([range]);
            writeSync(staged.descriptor, Buffer.alloc(count, 0xdd), 0, range.end - range.start, range.start);
          } else {
            const { status, body } = await ask(partUrl(server, BIG_FILE), rangeOf(range));
            expect([206, 416]).toContain(status);
            if (status === 416) continue;
            expect(written.covers(range)).toBe(true);
            expect(body.equals(BIG.subarray(range.start, range.end))).toBe(true);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});

test('records of a run that are torn or hostile are none', async () => {
  await using server = await serveOver([openDirectoryRevisions(root)]);
  const store = directoryStore({ directory: root });
  await store.open();
  for (const text of ['', '{', '[]', '{"version":1}', `{"version":1,"node":"../x","repo":{},"files":[]}`]) {
    writeFileSync(join(root, '.cache/fetch/transfer.json'), text);
    expect(await statusOf(server)).toBe(404);
  }
  await store[Symbol.asyncDispose]();
});
