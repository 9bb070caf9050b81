import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../../src/model/event.ts';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { generated } from '../../support/hub/content/content.ts';
import type { Effect } from '../../support/hub/faults/effect.ts';
import type { Fault } from '../../support/hub/faults/script.ts';
import { startHub } from '../../support/hub/hub.ts';
import { gitFile, lfsFile } from '../../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../../support/hub/repositories/repository.ts';
import { Workspace } from '../../support/run-program.ts';
import { loadLibrary } from './run-cell.ts';

/** The requests that a peer gets: whether it has the first file, for the one small file, and for ranges of the big one. */
const COLUMNS: Readonly<Record<string, Pick<Fault, 'path' | 'after'>>> = {
  question: { path: 'config.json' },
  small: { path: 'config.json', after: 1 },
  range: { path: 'model.safetensors' },
};

interface Row {
  readonly name: string;
  readonly effect: Effect;
  /** For ever if left out. */
  readonly times?: Fault['times'];
}

const status = (code: number, headers: Record<string, string> = {}): Effect => ({
  kind: 'status',
  status: code,
  headers,
});

const ROWS: readonly Row[] = [
  { name: 'nothing happens', effect: { kind: 'delay', ms: 0 } },
  { name: 'gone for ever', effect: { kind: 'vanish', ms: Number.POSITIVE_INFINITY } },
  { name: 'gone for 300 ms', effect: { kind: 'vanish', ms: 300 }, times: 1 },
  { name: 'reset before the head, once', effect: { kind: 'reset', at: 'before-head' }, times: 1 },
  { name: 'reset before the head, for ever', effect: { kind: 'reset', at: 'before-head' } },
  { name: 'reset in the body, once', effect: { kind: 'reset', at: 5 }, times: 1 },
  { name: 'reset in the body, for ever', effect: { kind: 'reset', at: 5 } },
  { name: 'a body that ends early, once', effect: { kind: 'truncate', at: 5 }, times: 1 },
  { name: 'a body that ends early, for ever', effect: { kind: 'truncate', at: 5 } },
  { name: 'silence before the head, once', effect: { kind: 'stall', at: 'before-head' }, times: 1 },
  { name: 'silence before the head, for ever', effect: { kind: 'stall', at: 'before-head' } },
  { name: 'silence in the body, once', effect: { kind: 'stall', at: 5 }, times: 1 },
  { name: 'silence in the body, for ever', effect: { kind: 'stall', at: 5 } },
  { name: 'a slow body', effect: { kind: 'slow', bytesPerSecond: 2_000_000 } },
  ...[400, 401, 403, 404, 410, 416, 500, 502, 503].map((code) => ({
    name: `status ${code}`,
    effect: status(code),
  })),
  { name: 'status 429, with a second', effect: status(429, { 'Retry-After': '1' }) },
  { name: 'status 429, with a day', effect: status(429, { 'Retry-After': '86400' }) },
  { name: 'status 200 and a page', effect: { kind: 'json', shape: 'html' } },
  { name: 'one byte is another', effect: { kind: 'flip', offset: 3 } },
  {
    name: 'every byte is another',
    effect: { kind: 'rewrite', change: ({ length }) => Buffer.alloc(length, 7) },
  },
  { name: 'another size', effect: { kind: 'rewrite', change: (body) => Buffer.concat([body, body]) } },
  { name: 'an empty body', effect: { kind: 'rewrite', change: () => Buffer.alloc(0) } },
  { name: 'the whole file in place of a range', effect: { kind: 'ignore-range' } },
  { name: 'a range under status 200', effect: { kind: 'part-as-200' } },
  { name: 'a head with another range', effect: { kind: 'content-range', shift: 1 } },
  { name: 'a head with another total', effect: { kind: 'content-range', total: 17 } },
  { name: 'bytes from elsewhere', effect: { kind: 'shifted-bytes', shift: 1 } },
  { name: 'fewer bytes than asked for', effect: { kind: 'short-range', bytes: 5 } },
  { name: 'more bytes than asked for', effect: { kind: 'long-range', bytes: 5 } },
  { name: 'no length', effect: { kind: 'chunked' } },
  { name: 'packed', effect: { kind: 'gzip' } },
  { name: 'another ETag', effect: { kind: 'etag', value: '"another"' } },
  { name: 'a redirect to another host', effect: { kind: 'redirect', location: 'http://127.0.0.1:9/x' } },
  { name: 'a redirect in circles', effect: { kind: 'redirect-loop' } },
  { name: 'a redirect that leads nowhere', effect: { kind: 'redirect-nowhere' } },
  { name: 'a connection that ends after the answer', effect: { kind: 'close-connection' } },
  { name: 'no HTTP', effect: { kind: 'raw', text: 'SSH-2.0-OpenSSH_9.6\r\n' } },
];

const REPOSITORY: RepositoryDescription = {
  id: 'o/n',
  branches: {
    main: [
      gitFile('config.json', '{"of": "the peer matrix"}'),
      lfsFile('model.safetensors', generated('peer matrix', 2_000_003)),
    ],
  },
};
const TOKEN = 'hf_matrix';
/** A peer that does harm gets no endless number of requests. */
const MAX_REQUESTS = 60;
let library: Awaited<ReturnType<typeof loadLibrary>>;
let workspace: Workspace;

beforeAll(async () => {
  library = await loadLibrary();
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.asyncDispose]());

const cells = ROWS.flatMap((row) =>
  Object.entries(COLUMNS).map(([column, target]) => ({ ...row, column, target })),
);

describe('every fault at every kind of request of a peer', () => {
  test.concurrent.each(cells)(
    '$name | $column',
    async ({ name, column, target, effect, times = 'always' as const }) => {
      await using hub = await startHub({
        repositories: [REPOSITORY],
        tokens: [{ token: TOKEN, user: 'matrix', access: 'all' }],
      });
      await using peer = await startHub({
        repositories: [REPOSITORY],
        directAnswers: true,
        faults: [{ on: 'any', times, effect, ...target }],
      });
      const directory = workspace.path(`${name} ${column}`.replaceAll(/\W/g, '-'));
      const events: TransferEvent[] = [];
      await library.download({
        repo: 'o/n',
        endpoint: hub.endpoint,
        from: [peer.origin],
        token: TOKEN,
        directory,
        connections: 4,
        retry: { tries: 4, baseDelayMs: 10, maxDelayMs: 10 },
        stallTimeoutMs: 500,
        environment: { ...library.environment, processors: 1 },
        onEvent: (event: TransferEvent) => events.push(event),
      });
      expect(await compareWithTruth(directory, await hub.truth('o/n'))).toEqual([]);
      const asked = peer.log.where();
      expect(asked.every(({ authorization }) => authorization === 'none')).toBe(true);
      expect(asked.length).toBeLessThan(MAX_REQUESTS);
      expect(hub.log.tokenLeaks()).toEqual([]);
      // What happens to a peer is said once or twice, and never as a failure of the run.
      const notes = events.flatMap((event) =>
        event.type === 'note' && event.message.includes('peer') ? [event.message] : [],
      );
      expect(notes.length, notes.join('\n')).toBeLessThanOrEqual(2);
      if (name === 'nothing happens') expect(notes).toEqual([]);
    },
  );
});
