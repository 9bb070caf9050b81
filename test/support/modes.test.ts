import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { type Answer, ask } from './ask.ts';
import { bigFile, manyFiles } from './hub/fixtures/odd.ts';
import { guarded } from './hub/fixtures/various.ts';
import { type Hub, type HubOptions, startHub } from './hub/hub.ts';
import { MODES, modesOf } from './hub/modes.ts';

const SIZE = 500_000;
const BIG = '/tests/big-file/resolve/main/model.bin';
const SMALL = '/tests/big-file/resolve/main/config.json';
const TREE = '/api/models/tests/big-file/tree/main?recursive=true';
const RANGE = { Range: 'bytes=100-299' };

const tried = new Set<string>();

async function start(options: Partial<HubOptions>): Promise<Hub> {
  return await startHub({ repositories: [bigFile(SIZE), manyFiles(130), ...guarded()], ...options });
}

function modeTest(mode: string, body: (hub: Hub) => Promise<void>): void {
  tried.add(mode);
  test(mode, async () => {
    await using hub = await start(modesOf([mode]));
    await body(hub);
  });
}

const at = (hub: Hub, path: string, method = 'GET', headers = {}): Promise<Answer> =>
  ask(`${hub.endpoint}${path}`, { method, headers });

async function signed(hub: Hub, headers: Record<string, string> = {}): Promise<string> {
  const { status, headers: told } = await at(hub, BIG, 'GET', headers);
  expect(status).toBe(302);
  return told.location ?? '';
}

const told = ({ status, text }: Answer): [number, string] => [status, text];

describe('modes', () => {
  modeTest('lenient', async (hub) => {
    const address = await signed(hub, { Range: 'bytes=0-0' });
    expect((await ask(address, { headers: RANGE, localAddress: '127.0.0.9' })).status).toBe(206);
  });

  modeTest('far', async (hub) => {
    const address = await signed(hub);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const cold = await timeWith(agent, address);
    const warm = [];
    for (let index = 0; index < 3; index += 1) warm.push(await timeWith(agent, address));
    agent.destroy();
    expect(cold).toBeGreaterThanOrEqual(645);
    // The quickest of them: a busy machine holds up some.
    expect(Math.min(...warm)).toBeGreaterThanOrEqual(145);
    expect(Math.min(...warm)).toBeLessThan(cold);
  });

  modeTest('short-lived', async (hub) => {
    const { searchParams } = new URL(await signed(hub));
    const left = Number(searchParams.get('Expires')) - Date.now() / 1000;
    expect(left).toBeGreaterThan(10);
    expect(left).toBeLessThanOrEqual(21);
  });

  modeTest('collapse', async (hub) => {
    const address = await signed(hub);
    // Half a second for the file, and 25 in a collapse.
    hub.settings.bytesPerSecond = SIZE * 2;
    const streams = (count: number) => Array.from({ length: count }, () => ask(address));
    for (const { body } of await Promise.all(streams(4))) expect(body.length).toBe(SIZE);
    hub.log.clear();
    await Promise.race([Promise.all(streams(6)), new Promise((resolve) => setTimeout(resolve, 1500))]);
    const sent = hub.log.where({ kind: 'cdn' }).map(({ bytesSent }) => bytesSent);
    expect(Math.max(...sent)).toBeLessThan(SIZE);
    expect(Math.min(...sent)).toBeGreaterThan(0);
  });

  modeTest('prefix', async (hub) => {
    expect(new URL(hub.endpoint).pathname).toBe('/hf');
    expect((await ask(`${hub.origin}${TREE}`)).status).toBe(404);
    const redirect = await at(hub, SMALL, 'HEAD');
    expect(redirect.headers.location).toMatch(/^\/api\/resolve-cache\//);
    expect((await ask(`${hub.origin}${redirect.headers.location}`)).status).toBe(404);
    expect((await at(hub, redirect.headers.location ?? '')).status).toBe(200);
    const page = await at(hub, '/api/models/tests/many-files/tree/main?recursive=true&limit=10');
    expect(page.headers['link']).toMatch(`<${hub.endpoint}/api/models/`);
  });

  modeTest('modelscope', async (hub) => {
    const { status, headers, body } = await ask(await signed(hub), { headers: RANGE });
    expect([status, headers['content-range'], headers['content-length'], body.length]).toEqual([
      200,
      `bytes 100-299/${SIZE}`,
      '200',
      200,
    ]);
  });

  modeTest('artifactory', async (hub) => {
    const { status, headers } = await ask(await signed(hub), { headers: RANGE });
    expect([status, headers['content-range'], headers['content-length']]).toEqual([206, undefined, '200']);
  });

  modeTest('no-byte', async (hub) => {
    const { status, complete, body, headers } = await ask(await signed(hub), { headers: RANGE });
    expect([status, complete, body.length, headers['content-length']]).toEqual([206, false, 0, '200']);
  });

  for (const status of [400, 416, 501])
    modeTest(`no-ranges-${status}`, async (hub) => {
      const address = await signed(hub);
      expect((await ask(address, { headers: RANGE })).status).toBe(status);
      const whole = await ask(address);
      expect([whole.status, whole.body.length]).toEqual([200, SIZE]);
    });

  modeTest('range-on-hub-416', async (hub) => {
    const bare = await at(hub, BIG);
    const ranged = await at(hub, BIG, 'GET', RANGE);
    // The length of the redirect's text, which the policy of a range makes longer.
    expect(ranged.headers['content-range']).toMatch(/^bytes \*\/\d{3,4}$/);
    expect([bare.status, ranged.status, ranged.headers.location]).toEqual([302, 416, undefined]);
  });

  for (const status of [403, 405, 501])
    modeTest(`no-head-${status}`, async (hub) => {
      expect((await at(hub, BIG, 'HEAD')).status).toBe(status);
      expect((await at(hub, BIG)).status).toBe(302);
    });

  for (const status of [400, 404])
    modeTest(`no-tree-${status}`, async (hub) => {
      expect((await at(hub, TREE)).status).toBe(status);
      const info = JSON.parse((await at(hub, '/api/models/tests/big-file/revision/main?blobs=true')).text);
      const [truth] = (await hub.truth('tests/big-file')).filter(({ path }) => path === 'model.bin');
      const model = info.siblings.find(({ rfilename }: { rfilename: string }) => rfilename === 'model.bin');
      expect(model).toMatchObject({ size: SIZE, lfs: { sha256: truth?.sha256, size: SIZE } });
      const config = info.siblings.find(
        ({ rfilename }: { rfilename: string }) => rfilename === 'config.json',
      );
      expect(config).toMatchObject({
        size: expect.any(Number),
        blobId: expect.stringMatching(/^[0-9a-f]{40}$/),
      });
    });

  modeTest('no-listing', async (hub) => {
    const info = JSON.parse((await at(hub, '/api/models/tests/big-file/revision/main?blobs=true')).text);
    expect([(await at(hub, TREE)).status, info.sha.length, info.siblings]).toEqual([404, 40, undefined]);
    hub.settings.siblings = 'names';
    const names = JSON.parse((await at(hub, '/api/models/tests/big-file?blobs=true')).text).siblings;
    expect(names).toContainEqual({ rfilename: 'model.bin' });
  });

  modeTest('wrong-key', async (hub) => {
    const refusal = [403, 'Auth failed: SignatureError: invalid key pair id'];
    expect(told(await ask(await signed(hub)))).toEqual(refusal);
  });

  modeTest('html-429', async (hub) => {
    const first = await at(hub, BIG, 'HEAD');
    expect([first.status, first.headers['retry-after'], first.headers['ratelimit']]).toEqual([
      429,
      undefined,
      undefined,
    ]);
    expect((await at(hub, BIG, 'HEAD')).status).toBe(302);
  });

  modeTest('block-page', async (hub) => {
    const { status, headers, text } = await at(hub, TREE);
    expect([status, headers['content-type']]).toEqual([403, 'text/html; charset=utf-8']);
    expect(text).toMatch(/^<!DOCTYPE html>/);
    const names = Object.keys(headers).filter((name) => /^(x-|ratelimit|access-control)/.test(name));
    expect(names).toEqual([]);
  });

  test('every mode there is was tried, and several add up', () => {
    expect([...tried].sort()).toEqual(Object.keys(MODES).sort());
    const both = modesOf(['no-head-405', 'lenient', 'no-byte']);
    expect([both.bindRanges, both.faults?.length]).toEqual([false, 2]);
  });
});

test('a mirror names the place of big files and nothing else', async () => {
  await using original = await start({});
  await using mirror = await start({ mirrorOf: original.origin });
  for (const method of ['HEAD', 'GET']) {
    const { status, headers } = await at(mirror, BIG, method);
    expect([status, headers.location]).toEqual([308, `${original.origin}${BIG}`]);
    for (const name of ['x-repo-commit', 'x-linked-etag', 'x-linked-size', 'etag', 'accept-ranges'])
      expect(headers[name]).toBeUndefined();
  }
  const small = await at(mirror, SMALL, 'HEAD');
  expect([small.status, small.headers.location?.startsWith('/api/resolve-cache/')]).toEqual([307, true]);
  expect((await at(mirror, TREE)).text).toBe((await at(original, TREE)).text);
});

describe('addresses of the CDN', () => {
  const two = { cdnAddresses: ['127.0.0.1', '127.0.0.2'], cdnName: 'cdn.test', bindAddresses: false };
  /** As a client does that has looked up the name. */
  const through = (address: string, host: string): Promise<Answer> => {
    const { host: name, port } = new URL(address);
    return ask(address.replace(`//${name}`, `//${host}:${port}`), { headers: { ...RANGE, Host: name } });
  };

  test('answer on one port under one name, and the log says which', async () => {
    await using hub = await start(two);
    const address = await signed(hub);
    expect(new URL(address).hostname).toBe('cdn.test');
    for (const host of two.cdnAddresses) {
      hub.log.clear();
      expect((await through(address, host)).status).toBe(206);
      expect(hub.log.entries.map((entry) => entry.address)).toEqual([host]);
    }
  });

  test('fail on their own', async () => {
    const broken = { on: 'cdn', address: '127.0.0.1', times: 'always' } as const;
    await using hub = await start({ ...two, faults: [{ ...broken, effect: { kind: 'truncate', at: 0 } }] });
    const address = await signed(hub);
    const lengths = [];
    for (const host of two.cdnAddresses) lengths.push((await through(address, host)).body.length);
    expect(lengths).toEqual([0, 200]);
    hub.faults.clear();
    hub.faults.add({ ...broken, effect: { kind: 'vanish', ms: Number.POSITIVE_INFINITY } });
    await through(address, '127.0.0.1');
    expect((await through(address, '127.0.0.1')).failure).toBe('ECONNREFUSED');
    expect((await through(address, '127.0.0.2')).status).toBe(206);
  });
});

function timeWith(agent: Agent, address: string): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const asking = request(address, { agent, headers: RANGE }, (answer) => {
      const took = performance.now() - began;
      answer.resume();
      answer.on('end', () => resolve(took));
    });
    asking.on('error', reject);
    asking.end();
  });
}
