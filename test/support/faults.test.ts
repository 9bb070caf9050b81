import { Agent, request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, ask } from './ask.ts';
import { EFFECT_KINDS, type Effect } from './hub/faults/effect.ts';
import { bigFile, manyFiles } from './hub/fixtures/odd.ts';
import { type Hub, startHub } from './hub/hub.ts';
import { gitFile, lfsFile } from './hub/repositories/file.ts';

const SIZE = 3_000_000;
const RANGE = { Range: 'bytes=1000000-1999999' };

let hub: Hub;
let truth: Buffer;
let file: string;

beforeAll(async () => {
  hub = await startHub({ repositories: [bigFile(SIZE), manyFiles(30)], pageSize: 10 });
  const [model] = (await hub.truth('tests/big-file')).filter(({ path }) => path === 'model.bin');
  truth = (await model?.bytes()) ?? Buffer.alloc(0);
  const { headers } = await ask(`${hub.origin}/tests/big-file/resolve/main/model.bin`);
  file = headers.location ?? '';
});

afterEach(() => hub.faults.clear());
afterAll(() => hub.close());

const part = (): Buffer => truth.subarray(1_000_000, 2_000_000);

/** The effect acts on the first of two equal requests; the second shows that it has gone. */
async function once(effect: Effect, stallLimitMs?: number): Promise<Answer> {
  hub.faults.add({ on: 'cdn', path: 'model.bin', effect });
  const answer = await ask(file, { headers: RANGE, ...(stallLimitMs === undefined ? {} : { stallLimitMs }) });
  const next = await ask(file, { headers: RANGE });
  expect([next.status, next.complete, next.body.equals(part())]).toEqual([206, true, true]);
  return answer;
}

const tried = new Set<string>();

function effectTest(kind: Effect['kind'], body: () => Promise<void>): void {
  tried.add(kind);
  test(kind, body);
}

describe('effects', () => {
  effectTest('status', async () => {
    const answer = await once({
      kind: 'status',
      status: 503,
      headers: { 'X-Reason': 'burst' },
      body: 'later',
    });
    expect([answer.status, answer.headers['x-reason'], answer.text]).toEqual([503, 'burst', 'later']);
  });

  effectTest('rate-limited', async () => {
    const seconds = await once({ kind: 'rate-limited', seconds: 7, tell: 'retry-after-seconds' });
    expect([seconds.status, seconds.headers['retry-after']]).toEqual([429, '7']);
    const date = await once({ kind: 'rate-limited', seconds: 60, tell: 'retry-after-date' });
    expect(Date.parse(date.headers['retry-after'] ?? '') - Date.now()).toBeGreaterThan(50_000);
    const silent = await once({ kind: 'rate-limited', seconds: 7, tell: 'nothing' });
    expect([silent.status, silent.headers['retry-after']]).toEqual([429, undefined]);
    const page = await once({ kind: 'rate-limited', seconds: 7, tell: 'page' });
    expect([page.status, page.headers['content-type']]).toEqual([429, 'text/html; charset=utf-8']);
    expect(page.body.length).toBe(52_000);
    for (const name of ['ratelimit', 'ratelimit-policy', 'retry-after'])
      expect(page.headers[name]).toBeUndefined();
    hub.faults.add({
      on: 'revision',
      effect: { kind: 'rate-limited', seconds: 9, tell: 'rate-limit-header' },
    });
    const hubs = await ask(`${hub.origin}/api/models/tests/big-file/revision/main`);
    expect([hubs.status, hubs.headers['ratelimit']]).toEqual([429, '"api";r=0;t=9']);
  });

  effectTest('delay', async () => {
    expect((await once({ kind: 'delay', ms: 120 })).tookMs).toBeGreaterThan(115);
  });

  effectTest('reset', async () => {
    const before = await once({ kind: 'reset', at: 'before-head' });
    expect([before.status, before.failure]).toEqual([0, 'ECONNRESET']);
    const after = await once({ kind: 'reset', at: 0 });
    expect([after.status, after.failure, after.body.length]).toEqual([206, 'ECONNRESET', 0]);
    const middle = await once({ kind: 'reset', at: 300_000 });
    expect([middle.complete, middle.failure]).toEqual([false, 'ECONNRESET']);
    // A reset may overtake the last bytes.
    expect(middle.body.length).toBeGreaterThan(0);
    expect(middle.body.length).toBeLessThanOrEqual(300_000);
  });

  effectTest('truncate', async () => {
    const answer = await once({ kind: 'truncate', at: 250_000 });
    expect(answer.headers['content-length']).toBe('1000000');
    expect([answer.complete, answer.body.length]).toEqual([false, 250_000]);
    expect(hub.log.where({ kind: 'cdn' }).find((entry) => entry.faults.includes('truncate'))?.bytesSent).toBe(
      250_000,
    );
  });

  effectTest('stall', async () => {
    const middle = await once({ kind: 'stall', at: 100_000 }, 150);
    expect([middle.status, middle.failure, middle.body.length]).toEqual([206, 'TIMEOUT', 100_000]);
    const before = await once({ kind: 'stall', at: 'before-head' }, 150);
    expect([before.status, before.failure]).toEqual([0, 'TIMEOUT']);
    const beyond = await once({ kind: 'stall', at: 1_000_001 }, 150);
    expect([beyond.complete, beyond.body.length]).toEqual([true, 1_000_000]);
  });

  effectTest('slow', async () => {
    const answer = await once({ kind: 'slow', bytesPerSecond: 4_000_000 });
    expect(answer.body.equals(part())).toBe(true);
    expect(answer.tookMs).toBeGreaterThan(230);
  });

  effectTest('flip', async () => {
    const elsewhere: Effect = { kind: 'flip', offset: 2_500_000 };
    hub.faults.add({ on: 'cdn', effect: elsewhere });
    expect((await ask(file, { headers: RANGE })).body.equals(part())).toBe(true);
    const { body } = await once({ kind: 'flip', offset: 1_234_567 });
    expect(body.length).toBe(1_000_000);
    const wrong = body.findIndex((byte, index) => byte !== part()[index]);
    expect(wrong).toBe(234_567);
    expect(body.subarray(wrong + 1).equals(part().subarray(wrong + 1))).toBe(true);
    expect((await ask(file, { headers: { Range: 'bytes=2500000-2500000' } })).body[0]).toBe(
      (truth[2_500_000] ?? 0) ^ 0xff,
    );
  });

  effectTest('ignore-range', async () => {
    const answer = await once({ kind: 'ignore-range' });
    expect([answer.status, answer.headers['content-range']]).toEqual([200, undefined]);
    expect(answer.body.equals(truth)).toBe(true);
  });

  effectTest('part-as-200', async () => {
    const answer = await once({ kind: 'part-as-200' });
    expect([answer.status, answer.headers['content-range']]).toEqual([200, `bytes 1000000-1999999/${SIZE}`]);
    expect(answer.headers['content-length']).toBe('1000000');
    expect(answer.body.equals(part())).toBe(true);
  });

  effectTest('unsatisfiable', async () => {
    const answer = await once({ kind: 'unsatisfiable' });
    expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${SIZE}`]);
  });

  effectTest('content-range', async () => {
    const shifted = await once({ kind: 'content-range', shift: 10 });
    expect(shifted.headers['content-range']).toBe(`bytes 1000010-2000009/${SIZE}`);
    const total = await once({ kind: 'content-range', total: 17 });
    expect(total.headers['content-range']).toBe('bytes 1000000-1999999/17');
  });

  effectTest('shifted-bytes', async () => {
    const answer = await once({ kind: 'shifted-bytes', shift: 4096 });
    expect(answer.headers['content-range']).toBe(`bytes 1000000-1999999/${SIZE}`);
    expect(answer.body.equals(truth.subarray(1_004_096, 2_004_096))).toBe(true);
  });

  effectTest('short-range', async () => {
    const answer = await once({ kind: 'short-range', bytes: 1000 });
    expect(answer.headers['content-range']).toBe(`bytes 1000000-1000999/${SIZE}`);
    expect([answer.complete, answer.body.length]).toEqual([true, 1000]);
  });

  effectTest('long-range', async () => {
    const answer = await once({ kind: 'long-range', bytes: 1000 });
    expect([answer.complete, answer.body.length]).toEqual([true, 1_001_000]);
  });

  effectTest('chunked', async () => {
    const answer = await once({ kind: 'chunked' });
    expect(answer.headers['content-length']).toBeUndefined();
    expect(answer.headers['transfer-encoding']).toBe('chunked');
    expect(answer.body.equals(part())).toBe(true);
  });

  effectTest('gzip', async () => {
    const answer = await once({ kind: 'gzip' });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(answer.body).equals(part())).toBe(true);
  });

  effectTest('etag', async () => {
    expect((await once({ kind: 'etag', value: '"other"' })).headers.etag).toBe('"other"');
  });

  effectTest('headers', async () => {
    const answer = await once({ kind: 'headers', set: { 'X-New': '1' }, drop: ['etag'] });
    expect([answer.headers['x-new'], answer.headers.etag]).toEqual(['1', undefined]);
  });

  effectTest('redirect', async () => {
    const answer = await once({ kind: 'redirect', location: 'http://127.0.0.1:9/elsewhere' });
    expect([answer.status, answer.headers.location]).toEqual([302, 'http://127.0.0.1:9/elsewhere']);
  });

  effectTest('redirect-loop', async () => {
    const answer = await once({ kind: 'redirect-loop' });
    expect(new URL(answer.headers.location ?? '', file).href).toBe(new URL(file).href);
  });

  effectTest('redirect-nowhere', async () => {
    const answer = await once({ kind: 'redirect-nowhere' });
    expect([answer.status, answer.headers.location]).toEqual([302, undefined]);
  });

  effectTest('json', async () => {
    const shapes = ['malformed', 'truncated', 'html', 'empty', 'wrong-type'] as const;
    for (const shape of shapes) {
      hub.faults.add({ on: 'tree', effect: { kind: 'json', shape } });
      const broken = await ask(`${hub.origin}/api/models/tests/big-file/tree/main`);
      expect(broken.status).toBe(200);
      if (shape === 'wrong-type') expect(Array.isArray(JSON.parse(broken.text))).toBe(false);
      else expect(() => JSON.parse(broken.text)).toThrow();
    }
  });

  effectTest('repeated-cursor', async () => {
    const page = `${hub.origin}/api/models/tests/many-files/tree/main?recursive=true&limit=10`;
    hub.faults.add({ on: 'tree', effect: { kind: 'repeated-cursor' } });
    expect((await ask(page)).headers['link']).toBe(`<${page}>; rel="next"`);
    expect((await ask(page)).headers['link']).toContain('cursor=');
  });

  effectTest('expired', async () => {
    const answer = await once({ kind: 'expired' });
    expect([answer.status, answer.headers['content-type']]).toEqual([403, 'application/xml']);
  });

  effectTest('auth-failed', async () => {
    const answer = await once({ kind: 'auth-failed', why: 'SignatureError: invalid key pair id' });
    expect([answer.status, answer.text]).toEqual([403, 'Auth failed: SignatureError: invalid key pair id']);
  });

  effectTest('close-connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const connectionHeader = (): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        const asking = request(file, { agent, headers: RANGE }, (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.headers.connection));
        });
        asking.on('error', reject);
        asking.end();
      });
    hub.faults.add({ on: 'cdn', effect: { kind: 'close-connection' } });
    expect(await connectionHeader()).toBe('close');
    hub.faults.clear();
    hub.faults.add({ on: 'cdn', effect: { kind: 'close-connection', announced: false } });
    expect(await connectionHeader()).toBe('keep-alive');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(Object.values(agent.freeSockets).flat()).toEqual([]);
    agent.destroy();
  });

  effectTest('interim', async () => {
    const answer = await once({ kind: 'interim' });
    expect([answer.status, answer.body.equals(part())]).toEqual([206, true]);
  });

  effectTest('raw', async () => {
    expect((await once({ kind: 'raw', text: 'SSH-2.0-none\r\n' })).failure).toBe('HPE_INVALID_CONSTANT');
  });

  effectTest('vanish', async () => {
    hub.faults.add({ on: 'cdn', effect: { kind: 'vanish', ms: 2000 } });
    expect((await ask(file, { headers: RANGE })).failure).toBe('ECONNRESET');
    expect((await ask(file, { headers: RANGE })).failure).toBe('ECONNREFUSED');
    await expect
      .poll(async () => (await ask(file, { headers: RANGE })).status, { timeout: 10_000 })
      .toBe(206);
  });

  effectTest('branch', async () => {
    hub.add({ id: 'tests/moving', branches: { main: [], other: [] } });
    const revision = (name: string) => ask(`${hub.origin}/api/models/tests/moving/revision/${name}`);
    const shaOf = async (name: string) => JSON.parse((await revision(name)).text).sha;
    const first = await shaOf('main');
    hub.faults.add(
      { on: 'revision', effect: { kind: 'branch', branch: 'main', change: 'moves' } },
      { on: 'revision', effect: { kind: 'branch', branch: 'other', change: 'vanishes' } },
    );
    expect(await shaOf('main')).toBe(first);
    expect(await shaOf('main')).not.toBe(first);
    expect((await revision('other')).status).toBe(404);
  });

  effectTest('listing', async () => {
    hub.add({ id: 'tests/lies', branches: { main: [gitFile('a', 'a'), lfsFile('b', 'b')] } });
    const tree = async () => JSON.parse((await ask(`${hub.origin}/api/models/tests/lies/tree/main`)).text);
    const truth = await tree();
    hub.faults.add(
      { on: 'tree', effect: { kind: 'listing', path: 'a', sizeBy: 7 } },
      { on: 'tree', effect: { kind: 'listing', path: 'b', digest: 'another' } },
    );
    const lie = await tree();
    const of = (entries: { path: string }[], path: string) => entries.find((entry) => entry.path === path);
    expect(of(lie, 'a')).toMatchObject({ size: 8 });
    expect(of(lie, 'b')).not.toEqual(of(truth, 'b'));
    expect(of(lie, 'b')).toMatchObject({ size: 1, lfs: { oid: expect.stringMatching(/^deadbeef/) } });
  });

  effectTest('rewrite', async () => {
    const tree = `${hub.origin}/api/models/tests/big-file/tree/main`;
    hub.faults.add({ on: 'tree', effect: { kind: 'rewrite', change: () => Buffer.from('[1]') } });
    expect((await ask(tree)).text).toBe('[1]');
    expect((await ask(tree)).text).not.toBe('[1]');
  });

  test('every effect there is was tried', () => {
    expect([...tried].sort()).toEqual([...EFFECT_KINDS].sort());
  });
});

describe('rules', () => {
  const path = '/tests/big-file/resolve/main/';
  const statuses = async (name: string, count: number): Promise<number[]> => {
    const found: number[] = [];
    for (let index = 0; index < count; index += 1) {
      found.push((await ask(`${hub.origin}${path}${name}`, { method: 'HEAD' })).status);
    }
    return found;
  };
  const refused: Effect = { kind: 'status', status: 503 };

  test('act on the nth request, so many times', async () => {
    hub.faults.add({ on: 'resolve', after: 1, times: 2, effect: refused });
    expect(await statuses('model.bin', 4)).toEqual([302, 503, 503, 302]);
  });

  test('act on one kind, one path, one method', async () => {
    hub.faults.add(
      { on: ['resolve', 'tree'], path: '*.json', times: 'always', effect: refused },
      { on: 'any', method: 'POST', times: 'always', effect: refused },
    );
    expect(await statuses('model.bin', 1)).toEqual([302]);
    expect(await statuses('config.json', 2)).toEqual([503, 503]);
  });

  test('count for each path on its own', async () => {
    hub.faults.add({ on: 'resolve', perPath: true, effect: refused });
    expect(await statuses('model.bin', 2)).toEqual([503, 302]);
    expect(await statuses('config.json', 2)).toEqual([503, 307]);
  });

  test('act by a chance that repeats itself', async () => {
    const runs = [];
    for (let run = 0; run < 2; run += 1) {
      hub.faults.clear();
      hub.faults.add({ on: 'resolve', times: 'always', probability: 0.4, seed: 5, effect: refused });
      runs.push(await statuses('model.bin', 20));
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(new Set(runs[0])).toEqual(new Set([302, 503]));
  });

  test('several effects on one answer', async () => {
    hub.faults.add({ on: 'resolve', effect: [refused, { kind: 'delay', ms: 60 }] });
    const answer = await ask(`${hub.origin}${path}model.bin`);
    expect([answer.status, answer.tookMs > 55]).toEqual([503, true]);
    expect(hub.log.entries.at(-1)?.faults).toEqual(['status', 'delay']);
  });
});

test('a bandwidth cap holds for every connection on its own', async () => {
  hub.settings.bytesPerSecond = 5_000_000;
  const answers = await Promise.all([1, 2, 3].map(() => ask(file, { headers: RANGE })));
  hub.settings.bytesPerSecond = undefined;
  for (const answer of answers) {
    expect(answer.body.equals(part())).toBe(true);
    expect(answer.tookMs).toBeGreaterThan(180);
  }
});
