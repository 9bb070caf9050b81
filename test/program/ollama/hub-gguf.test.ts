import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, xetFile } from '../../support/hub/repositories/file.ts';
import { type HubFront, startHubAsRegistry } from '../../support/hub-as-registry.ts';
import { expectedStore, filesIn, storeDifferences } from '../../support/ollama-models.ts';
import { ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Workspace } from '../../support/run-program.ts';

const ID = 'bartowski/Some.Model-GGUF';
const TOKEN = 'hf_test';
const weights = generated('weights', 3_000_017);
const files = [
  xetFile('Some.Model-Q4_K_M.gguf', weights),
  xetFile('Some.Model-Q8_0.gguf', generated('q8', 4_000_000)),
  gitFile('README.md', '# GGUF\n'),
];
let model: PushedModel;
let hub: Hub;
let front: HubFront;
let workspace: Workspace;

async function start(more: { readonly private?: boolean } = {}): Promise<void> {
  hub = await startHub({
    repositories: [
      { id: ID, branches: { main: files }, private: more.private ?? false },
      { id: 'tests/plain', branches: { main: [gitFile('config.json', '{}')] } },
    ],
    tokens: [{ token: TOKEN, user: 'test', access: 'all' }],
  });
  const [digest = ''] = [...model.blobs.keys()];
  front = await startHubAsRegistry({
    hub: hub.origin,
    repo: ID,
    models: { Q4_K_M: model, Q8_0: model, latest: model },
    files: { [digest]: 'Some.Model-Q4_K_M.gguf' },
    ...(more.private === true ? { token: TOKEN } : {}),
  });
  workspace = await Workspace.open({ endpoint: front.origin });
}

async function stop(): Promise<void> {
  await front[Symbol.asyncDispose]();
  await hub.close();
  await workspace[Symbol.asyncDispose]();
}

beforeEach(async () => {
  model = await ollamaModel(weights);
  await start();
  return stop;
});

const store = () => join(workspace.home, '.ollama/models');
const pull = (...words: string[]) => workspace.run([...words, '--ollama']);

async function differences(tag: string): Promise<string[]> {
  return storeDifferences(store(), await expectedStore({ [`hf.co/${ID}/${tag}`]: model }));
}

test.each([
  [`${ID}:Q4_K_M`, 'Q4_K_M'],
  [`hf.co/${ID}:Q4_K_M`, 'Q4_K_M'],
  [`ollama://hf.co/${ID}:Q4_K_M`, 'Q4_K_M'],
  [`${ID}@main:Q4_K_M`, 'Q4_K_M'],
  [`${ID}:q4_k_m`, 'q4_k_m'],
  [ID, 'latest'],
])('%s comes under hf.co, its weights as the file of the repository', async (name, tag) => {
  const run = await pull(name);
  expect(run).toMatchObject({ exit: 0, stdout: `hf.co/${ID}:${tag}\n` });
  expect(await differences(tag)).toEqual([]);
  // The Hub is asked where the file is as always: bare, and its CDN carries it.
  expect(hub.log.bytesSent('cdn')).toBeGreaterThanOrEqual(3_000_017);
  expect(front.asked.filter(({ target }) => target.includes([...model.blobs.keys()][0]!))).toEqual([]);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

test('a second time costs one request', async () => {
  await pull(`${ID}:Q4_K_M`);
  const [v2, others] = [front.asked.length, hub.log.count()];
  expect(await pull(`${ID}:Q4_K_M`)).toMatchObject({ exit: 0, stdout: `hf.co/${ID}:Q4_K_M\n` });
  expect([front.asked.length - v2, hub.log.count() - others]).toEqual([1, 0]);
});

test('a quantisation that is not there is 4, and the nearest are named', async () => {
  const run = await pull(`${ID}:Q5_K_M`);
  expect(run).toMatchObject({ exit: 4, stdout: '' });
  expect(run.stderr).toContain('Q4_K_M');
  expect(filesIn(store())).toEqual([]);
});

test('a repository without GGUF, or that does not exist, is named as such', async () => {
  const plain = await pull('tests/plain');
  expect(plain).toMatchObject({ exit: 4, stdout: '' });
  expect(plain.stderr).toContain('no GGUF files');
  expect((await pull('tests/nothing')).exit).not.toBe(0);
});

test('--fits picks the quantisation', async () => {
  const run = await pull(ID, '--fits', '6GB', '--yes');
  expect(run).toMatchObject({ exit: 0, stdout: `hf.co/${ID}:Q8_0\n` });
  expect(await differences('Q8_0')).toEqual([]);
});

test('a private one comes with the token of the Hub, which goes nowhere else', async () => {
  await stop();
  await start({ private: true });
  expect(await pull(`${ID}:Q4_K_M`)).toMatchObject({ exit: 5, stdout: '' });
  const run = await workspace.run([`${ID}:Q4_K_M`, '--ollama'], { env: { HF_TOKEN: TOKEN } });
  expect(run.exit).toBe(0);
  expect(await differences('Q4_K_M')).toEqual([]);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

test('verify --repair fetches the weights as the file of the repository', async () => {
  await pull(`${ID}:Q4_K_M`);
  const [digest = ''] = [...model.blobs.keys()];
  unlinkSync(join(store(), 'blobs', digest.replace(':', '-')));
  const run = await workspace.run(['verify', '--ollama', `hf.co/${ID}:Q4_K_M`, '--repair']);
  expect(run).toMatchObject({ exit: 0, stdout: `hf.co/${ID}:Q4_K_M\n` });
  expect(await differences('Q4_K_M')).toEqual([]);
});

test('weights that are in the cache of hf are copied, not fetched', async () => {
  const cached = await workspace.run([`${ID}`, 'Some.Model-Q4_K_M.gguf', '--cache']);
  expect(cached.exit).toBe(0);
  const before = hub.log.bytesSent('cdn');
  expect((await pull(`${ID}:Q4_K_M`)).exit).toBe(0);
  expect(hub.log.bytesSent('cdn')).toBe(before);
  expect(await differences('Q4_K_M')).toEqual([]);
});
