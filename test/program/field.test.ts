import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import type { Fault } from '../support/hub/faults/script.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { bigFile } from '../support/hub/fixtures/odd.ts';
import { type Hub, type HubOptions, startHub } from '../support/hub/hub.ts';
import { MODES } from '../support/hub/modes.ts';
import { xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { serveHttp } from '../support/server.ts';

/** Servers as they were met in the field, and the program as it is published. */

const MIB = 1 << 20;
const SIZE = 40 * MIB;
const ID = 'tests/big-file';

interface World {
  readonly hub: Hub;
  readonly workspace: Workspace;
}

async function inWorld(options: Partial<HubOptions>, scene: (world: World) => Promise<void>): Promise<void> {
  await using hub = await startHub({ ...options, repositories: [bigFile(SIZE)] });
  await using workspace = await Workspace.open({ endpoint: hub.origin + hub.settings.pathPrefix });
  await scene({ hub, workspace });
}

async function expectRight({ hub, workspace }: World): Promise<void> {
  expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
}

function rangesOnTheHub(hub: Hub): number {
  return hub.log.where({ kind: 'resolve' }).filter(({ range }) => range !== undefined).length;
}

test('the branch of the card, from a hub that binds addresses to the range of their request', async () => {
  await using hub = await startHub({ repositories: [mistralGptq()] });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const revision = 'gptq-8bit-32g-actorder_True';
  const run = await workspace.run([MISTRAL_GPTQ, '--revision', revision]);
  expect(run.exit).toBe(0);
  const truth = await hub.truth(MISTRAL_GPTQ, revision);
  expect(await compareWithTruth(run.stdout.trim(), truth)).toEqual([]);
  expect(hub.log.count({ kind: 'resolve', path: 'model.safetensors' })).toBe(1);
  expect(hub.log.count({ status: 403 })).toBe(0);
  expect(rangesOnTheHub(hub)).toBe(0);
  expect(hub.log.where({ path: 'config.json', kind: 'resolve' })).toHaveLength(1);
});

test('a big file is resolved once, whatever the number of connections', async () => {
  await inWorld({}, async (world) => {
    expect((await world.workspace.run([ID, '--connections', '32'])).exit).toBe(0);
    await expectRight(world);
    expect(world.hub.log.count({ kind: 'resolve', path: 'model.bin' })).toBe(1);
    expect(world.hub.log.count({ status: 403 })).toBe(0);
  });
});

test('an address that lives for seconds is asked for as often as it ends, and hardly a byte comes twice', async () => {
  await inWorld({ signedUrlSeconds: 2, bytesPerSecond: 2 * MIB }, async (world) => {
    const run = await world.workspace.run([ID, '--connections', '4']);
    expect(run.exit).toBe(0);
    await expectRight(world);
    const lifetimes = Math.ceil(run.tookMs / 2000);
    expect(world.hub.log.count({ kind: 'resolve', path: 'model.bin' })).toBeLessThanOrEqual(lifetimes + 1);
    const sent = world.hub.log.bytesSent({ kind: 'cdn', status: 206 });
    expect(sent).toBeLessThanOrEqual(SIZE * 1.01);
  });
});

describe('right bytes from', () => {
  test.each([
    'lenient',
    'prefix',
    'modelscope',
    'artifactory',
    'no-ranges-400',
    'no-ranges-416',
    'no-ranges-501',
    'range-on-hub-416',
    'no-head-403',
    'no-head-405',
    'no-head-501',
    'no-tree-400',
    'no-tree-404',
  ])('a server in the mode %s', async (mode) => {
    await inWorld(MODES[mode]!, async (world) => {
      const run = await world.workspace.run([ID, '--retries', '3']);
      expect(run, run.stderr).toMatchObject({ exit: 0 });
      await expectRight(world);
      expect(rangesOnTheHub(world.hub)).toBe(0);
    });
  });

  test('a host without ranges, in one stream', async () => {
    await inWorld(MODES['no-ranges-501']!, async ({ hub, workspace }) => {
      expect((await workspace.run([ID])).exit).toBe(0);
      const served = hub.log.where({ kind: 'cdn', path: 'model.bin' });
      expect(served.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1);
      // What was asked for before it was known, and what was then cut off.
      expect(hub.log.bytesSent({ kind: 'cdn' })).toBeLessThan(2 * SIZE);
    });
  });

  test('a host that serves ranges of all files but one', async () => {
    const refuse: Fault = {
      on: 'cdn',
      path: 'model.bin',
      ranged: true,
      times: 'always',
      effect: { kind: 'status', status: 416 },
    };
    const other = xetFile('other.bin', generated('other', 41 * MIB));
    const { id, branches } = bigFile(SIZE);
    await using hub = await startHub({
      repositories: [{ id, branches: { main: [...branches['main']!, other] } }],
      faults: [refuse],
    });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([ID, '--retries', '3']);
    expect(run, run.stderr).toMatchObject({ exit: 0 });
    expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
    expect(hub.log.where({ kind: 'cdn', path: 'other.bin' }).every(({ range }) => range !== undefined)).toBe(
      true,
    );
  });

  test('a mirror that sends downloads on: one request for each file at either hub', async () => {
    await using hub = await startHub({ repositories: [bigFile(SIZE)] });
    await inWorld({ mirrorOf: hub.origin }, async ({ hub: mirror, workspace }) => {
      const run = await workspace.run([ID]);
      expect(run, run.stderr).toMatchObject({ exit: 0 });
      expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
      expect(mirror.log.count({ kind: 'resolve', path: 'model.bin' })).toBe(1);
      expect(hub.log.count({ kind: 'resolve', path: 'model.bin' })).toBe(1);
      expect(run.stderr.match(/sends downloads on to/g)).toHaveLength(1);
    });
  });

  test('a hub whose addresses are good only for the range that was asked for on both hops', async () => {
    const content = Buffer.alloc(9 * MIB, 'exactly this range. ');
    const digest = createHash('sha256').update(content).digest('hex');
    const bound = new Set<string>();
    const commit = 'c'.repeat(40);
    await using hub = await serveHttp((request, response) => {
      const url = new URL(request.url ?? '', 'http://hub');
      const range = request.headers.range ?? '';
      if (url.pathname.startsWith('/api/models/o/m/tree/')) {
        const lfs = { oid: digest, size: content.length, pointerSize: 130 };
        const file = { type: 'file', path: 'model.bin', size: content.length, oid: 'a'.repeat(40), lfs };
        response.setHeader('content-type', 'application/json').end(JSON.stringify([file]));
      } else if (url.pathname.startsWith('/api/')) {
        const info = { _id: '1', id: 'o/m', sha: commit, siblings: [], lastModified: '2026-01-01T00:00:00Z' };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(info));
      } else if (url.pathname.includes('/resolve/')) {
        bound.add(range);
        const location = `/cdn?for=${encodeURIComponent(range)}`;
        response.writeHead(302, { location, 'x-repo-commit': commit }).end();
      } else if (range === '' || url.searchParams.get('for') !== range || !bound.has(range)) {
        response.writeHead(403, { 'content-type': 'text/plain' }).end('Auth failed: invalid range');
      } else {
        const [, start = 0, last = 0] = (/(\d+)-(\d+)/.exec(range) ?? []).map(Number);
        const part = content.subarray(start, last + 1);
        response.writeHead(206, { 'content-range': `bytes ${start}-${last}/${content.length}` }).end(part);
      }
    });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run(['o/m', '--retries', '2']);
    expect(run, run.stderr).toMatchObject({ exit: 0 });
    expect((await readFile(workspace.path('m/model.bin'))).equals(content)).toBe(true);
  });
});

describe('named by its cause:', () => {
  test.each([
    ['wrong-key', 6, /invalid key pair id.*\n(.*\n)*.*Only its operator can mend that/],
    ['no-listing', 6, /it has no \/tree \(404\)/],
    ['block-page', 6, /a filter may block it/],
  ])('%s', async (mode, exit, text) => {
    await inWorld(MODES[mode]!, async ({ workspace }) => {
      const run = await workspace.run([ID, '--retries', '2']);
      expect(run).toMatchObject({ exit, stdout: '' });
      expect(run.stderr).toMatch(text);
      expect(run.stderr).not.toMatch(/Signature=|Policy=/);
    });
  });
});

test('what the hub tells users without a token is told once, at the end', async () => {
  await inWorld({}, async ({ workspace }) => {
    const run = await workspace.run([ID]);
    expect(run.stderr.match(/the hub says: /g)).toHaveLength(1);
  });
});

test('downloads are counted as those of the own client, and nothing else is', async () => {
  const counted: (string | undefined)[] = [];
  await using hub = await startHub({ repositories: [bigFile(SIZE)] });
  await using front = await serveHttp((request, response) => {
    counted.push(request.headers['x-hf-download-counter'] as string | undefined);
    response.writeHead(307, { location: hub.origin + request.url }).end();
  });
  await using workspace = await Workspace.open({ endpoint: front.origin });
  await workspace.run([ID, '--retries', '1']);
  expect(counted.length).toBeGreaterThan(0);
  expect(counted.every((value) => value === '1')).toBe(true);
  counted.length = 0;
  await workspace.run(['branches', ID, '--retries', '1']);
  await workspace.run([ID, '--dry-run', '--retries', '1']);
  expect(counted.length).toBeGreaterThan(0);
  expect(counted.every((value) => value === undefined)).toBe(true);
});
