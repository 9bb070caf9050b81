import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../src/index.ts';
import { compiled } from '../support/compiled.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';

const REPO = 'tests/revisions';
const TOKEN = 'hf_library';

/** Compiled, because its threads run compiled only. */
const library = (await import(new URL('index.js', compiled()).href)) as typeof import('../../src/index.ts');
const { createEnvironment, download, FetchError, listBranches, parseTarget, plan, readVariables, verify } =
  library;

let hub: Hub;
let endpoint: string;
let root: string;

beforeAll(async () => {
  hub = await startHub({
    repositories: [manyRevisions(), mistralGptq({ scale: 0.002 })],
    tokens: [{ token: TOKEN, user: 'test', access: 'all' }],
  });
  endpoint = hub.origin;
  root = mkdtempSync(join(tmpdir(), 'fetch-library-'));
});

afterAll(async () => {
  await hub.close();
  await rm(root, { recursive: true, force: true });
});

const place = (name: string) => join(root, name);

async function failure(promise: Promise<unknown>): Promise<InstanceType<typeof FetchError>> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FetchError);
  return error as InstanceType<typeof FetchError>;
}

describe('download', () => {
  test('brings the revision, tells what happens, and is done at once the second time', async () => {
    const directory = place('whole');
    const events: TransferEvent[] = [];
    const onEvent = (event: TransferEvent) => void events.push(event);
    const outcome = await download({ repo: MISTRAL_GPTQ, endpoint, directory, onEvent });
    expect(outcome).toMatchObject({ directory, revision: { name: 'main', repo: { id: MISTRAL_GPTQ } } });
    expect(outcome.fetchedBytes).toBe(outcome.plan.totals.bytes);
    expect(await compareWithTruth(directory, await hub.truth(MISTRAL_GPTQ))).toEqual([]);
    const types = events.map(({ type }) => type);
    expect(types).toEqual(
      expect.arrayContaining(['resolved', 'listing', 'planned', 'bytes', 'file-finished']),
    );
    expect(types.indexOf('resolved')).toBeLessThan(types.indexOf('planned'));
    expect(types.filter((type) => type === 'file-finished')).toHaveLength(outcome.plan.totals.files);
    const again = await download({ repo: MISTRAL_GPTQ, endpoint, directory });
    expect(again.fetchedBytes).toBe(0);
  });

  test('a revision, some of its files, and every way of naming them', async () => {
    const some = { endpoint, include: ['*.md'] };
    const slash = await download({ ...some, repo: `${REPO}@gptq/8bit`, directory: place('text') });
    expect(slash.revision.name).toBe('gptq/8bit');
    const target = parseTarget(`hf://${REPO}@gptq%2F8bit`, { endpoint });
    await download({ ...some, repo: target, directory: place('target') });
    const repo = { type: 'model', id: REPO } as const;
    await download({ ...some, repo, revision: 'gptq/8bit', directory: place('ref') });
    const texts = await Promise.all(
      ['text', 'target', 'ref'].map((name) => readFile(place(`${name}/README.md`), 'utf8')),
    );
    expect(new Set(texts).size).toBe(1);
    expect((await readdir(place('text'))).toSorted()).toEqual(['.cache', 'README.md']);
  });

  test('runs beside each other know nothing of each other', async () => {
    const names = ['one', 'two', 'three'];
    const bytes = await Promise.all(
      names.map(
        async (name) => (await download({ repo: REPO, endpoint, directory: place(name) })).fetchedBytes,
      ),
    );
    expect(new Set(bytes).size).toBe(1);
  });

  test('an abort is ABORTED, and the next call goes on', async () => {
    await using slow = await startHub({
      repositories: [mistralGptq({ scale: 0.02 })],
      bytesPerSecond: 2_000_000,
    });
    const directory = place('aborted');
    const controller = new AbortController();
    const reason = new Error('enough');
    const wanted = { repo: MISTRAL_GPTQ, endpoint: slow.origin, directory, connections: 2 };
    let seen = 0;
    const error = await failure(
      download({
        ...wanted,
        signal: controller.signal,
        onEvent: (event) => {
          if (event.type === 'bytes') seen += event.count;
          if (seen > 3_000_000) controller.abort(reason);
        },
      }),
    );
    expect(error).toMatchObject({ code: 'ABORTED', cause: reason });
    slow.settings.bytesPerSecond = undefined;
    const { fetchedBytes, plan: found } = await download(wanted);
    expect(fetchedBytes).toBeLessThan(found.totals.bytes);
    expect(await compareWithTruth(directory, await slow.truth(MISTRAL_GPTQ))).toEqual([]);
  });

  test('a signal that is already aborted: no request', async () => {
    hub.log.clear();
    const error = await failure(download({ repo: REPO, endpoint, signal: AbortSignal.abort() }));
    expect(error.code).toBe('ABORTED');
    expect(hub.log.count()).toBe(0);
  });

  test('a listener that throws ends its run, not the process', async () => {
    const thrown = new Error('of the listener');
    const onEvent = (event: TransferEvent) => {
      if (event.type === 'file-started') throw thrown;
    };
    const error = await failure(download({ repo: REPO, endpoint, directory: place('thrown'), onEvent }));
    expect(error).toMatchObject({ code: 'ABORTED', cause: thrown });
  });

  test('the environment of the caller is used', async () => {
    hub.log.clear();
    const environment = createEnvironment({ client: 'tester/1.0' });
    await download({ repo: REPO, endpoint, directory: place('environment'), environment });
    const agents = new Set(hub.log.where().map(({ userAgent }) => userAgent));
    expect([...agents]).toEqual([expect.stringMatching(/^fetch\/[\d.]+; node\/[\d.]+; tester\/1\.0$/)]);
  });
});

describe('failures are FetchErrors with a code', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['USAGE', { repo: 'no repo at all' }],
    ['USAGE', { repo: REPO, endpoint: 'nonsense' }],
    ['USAGE', { repo: REPO, connections: 0 }],
    ['USAGE', { repo: REPO, stallTimeoutMs: -1 }],
    ['USAGE', { repo: REPO, bytesPerSecond: Number.NaN }],
    ['USAGE', { repo: `${REPO}@main`, revision: 'gptq/8bit' }],
    ['NOT_FOUND', { repo: REPO, revision: 'no-such-branch' }],
    ['NOT_FOUND', { repo: REPO, files: ['no-such-file'] }],
    ['NOT_FOUND', { repo: REPO, offline: true }],
    ['ACCESS', { repo: REPO, token: 'hf_wrong' }],
    ['ACCESS', { repo: REPO, token: 'two words' }],
    ['NETWORK', { repo: REPO, endpoint: 'http://127.0.0.1:1', retry: { tries: 1 } }],
    ['ACCESS', { repo: REPO, network: { ...noNetwork(), onlyHosts: ['elsewhere.test'] } }],
  ];
  test.each(cases)('%s for %j', async (code, options) => {
    const wanted = { endpoint, directory: place('failed'), ...options } as Parameters<typeof download>[0];
    expect((await failure(download(wanted))).code).toBe(code);
    expect((await failure(plan(wanted))).code).toBe(code);
  });

  test('DISK where a file is in the way', async () => {
    await writeFile(place('occupied'), '');
    const error = await failure(download({ repo: REPO, endpoint, directory: place('occupied') }));
    expect(error.code).toBe('DISK');
  });

  test('a token is in no message', async () => {
    const error = await failure(download({ repo: REPO, endpoint, token: 'hf_wrong' }));
    expect(`${error.message} ${error.hint}`).toContain('the option token');
    expect(`${error.stack} ${error.hint}`).not.toContain('hf_wrong');
  });
});

test('plan says what a download would do, and writes nothing', async () => {
  const directory = place('planned');
  const { plan: found, revision, ...rest } = await plan({ repo: REPO, endpoint, directory });
  expect(found.totals).toMatchObject({ files: 2, fetchFiles: 2, keepFiles: 0 });
  expect(revision.id).toMatch(/^[0-9a-f]{40}$/);
  expect(rest).toEqual({ directory });
  await expect(readdir(directory)).rejects.toMatchObject({ code: 'ENOENT' });
  await download({ repo: REPO, endpoint, directory });
  const after = await plan({ repo: REPO, endpoint, directory });
  expect(after.plan.totals).toMatchObject({ files: 2, fetchFiles: 0, keepFiles: 2 });
});

describe('verify', () => {
  test('against the manifest, and against the hub', async () => {
    const directory = place('verified');
    await download({ repo: REPO, endpoint, directory });
    hub.log.clear();
    const checked: string[] = [];
    let read = 0;
    const watch = {
      read: (bytes: number) => {
        read += bytes;
      },
      checked: (path: string) => void checked.push(path),
    };
    const report = await verify({ directory, watch });
    expect(report).toMatchObject({ directory, endpoint, revision: 'main', files: 2, findings: [] });
    expect(checked.toSorted()).toEqual(['README.md', 'model.safetensors']);
    expect(read).toBe(report.bytes);
    expect(hub.log.count()).toBe(0);

    await writeFile(join(directory, 'README.md'), 'changed');
    await writeFile(join(directory, 'mine.txt'), 'mine');
    const { findings } = await verify({ directory });
    expect(findings).toMatchObject([
      { kind: 'changed', path: 'README.md' },
      { kind: 'extra', path: 'mine.txt', size: 4 },
    ]);
    const other = await verify({ directory, repo: REPO, endpoint, revision: 'main' });
    expect(other.findings).toEqual(
      findings.map((finding) => expect.objectContaining({ path: finding.path })),
    );
  });

  test('without a manifest, and with a signal that has fired', async () => {
    expect((await failure(verify({ directory: root }))).code).toBe('NOT_FOUND');
    const signal = AbortSignal.abort();
    expect((await failure(verify({ directory: place('verified'), signal }))).code).toBe('ABORTED');
  });
});

describe('listBranches', () => {
  test('every branch, or one in full', async () => {
    const table = await listBranches({ repo: MISTRAL_GPTQ, endpoint });
    expect(table.repo).toEqual({ type: 'model', id: MISTRAL_GPTQ });
    expect(table.rows.map(({ revision }) => revision)).toContain('gptq-8bit-32g-actorder_True');
    expect(table.rows.map(({ facts }) => facts.bits?.value)).toEqual(expect.arrayContaining([4, 8]));
    const one = await listBranches({ repo: `${MISTRAL_GPTQ}:gptq-8bit-32g-actorder_True`, endpoint });
    expect(one.rows).toMatchObject([{ kind: 'revision', facts: { groupSize: { value: 32 } } }]);
  });

  test('of what there is not', async () => {
    expect((await failure(listBranches({ repo: 'no/such', endpoint }))).code).toMatch(/NOT_FOUND|ACCESS/);
    const ended = listBranches({ repo: MISTRAL_GPTQ, endpoint, signal: AbortSignal.abort() });
    expect((await failure(ended)).code).toBe('ABORTED');
  });
});

test('readVariables: what the variables say, and a run that is not told uses none of them', async () => {
  const variables = { HF_ENDPOINT: endpoint, HF_TOKEN: TOKEN, HTTPS_PROXY: 'proxy.test:3128' };
  const told = readVariables(variables, root);
  expect(told).toMatchObject({
    endpoint,
    token: { value: TOKEN, origin: 'HF_TOKEN' },
    offline: false,
    network: { httpsProxy: { url: 'http://proxy.test:3128', origin: 'HTTPS_PROXY' } },
  });
  expect(readVariables({}, root)).toEqual({
    endpoint: undefined,
    token: undefined,
    offline: false,
    network: undefined,
  });
  hub.log.clear();
  await plan({ ...told, network: undefined, repo: REPO, directory: place('told') });
  await plan({ endpoint, repo: REPO, directory: place('untold') });
  const authorizations = hub.log.where({ kind: 'revision' }).map(({ authorization }) => authorization);
  expect(authorizations).toEqual(['valid', 'none']);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

function noNetwork() {
  return { httpsProxy: undefined, httpProxy: undefined, noProxy: '', certificates: [], onlyHosts: undefined };
}
