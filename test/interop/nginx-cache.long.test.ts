import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { Workspace } from '../support/run-program.ts';
import { findPython, runPython } from './python.ts';

const CONFIGURATION = readFileSync(join(import.meta.dirname, '../../examples/nginx-cache.conf'), 'utf8');
const ID = 'tests/cached';
const TOKEN = 'hf_the_secret_of_this_test';
const FILES = [
  gitFile('config.json', '{"text": "small"}\n'),
  gitFile('deep/er/odd name + %41.txt', 'notes\n'),
  gitFile('empty.txt', ''),
  lfsFile('tokenizer.model', generated('cached tokenizer', 300_001)),
  xetFile('model.safetensors', generated('cached', 30_000_003)),
];

const startOrigin = () =>
  startHub({
    repositories: [
      { id: ID, branches: { main: FILES } },
      { id: 'tests/private', private: true, branches: { main: FILES } },
    ],
    tokens: [{ token: TOKEN, user: 'alice', access: 'all' }],
  });

/** The example as it stands, but for its addresses. */
function startCache(hub: Hub): Promise<Nginx | undefined> {
  return startNginx(({ port, directory }) =>
    [
      ['https://huggingface.co', hub.origin],
      ['listen 8091', `listen 127.0.0.1:${port}`],
      ['/var/cache/nginx/hub', `${directory}/cache`],
      ['/run/nginx-hub.sock', `${directory}/hub.sock`],
    ].reduce((text, [from = '', to = '']) => {
      expect(text).toContain(from);
      return text.replaceAll(from, to);
    }, CONFIGURATION),
  );
}

/** Bytes of files that left the hub. */
const fileBytes = ({ log }: Hub): number => log.bytesSent({ kind: ['cdn', 'resolve-cache'] });

test('through nginx as a cache, the hub sends every byte once', async ({ skip }) => {
  await using hub = await startOrigin();
  await using cache = await startCache(hub);
  if (cache === undefined) skip('nginx is not installed: apt-get install nginx');
  const truth = await hub.truth(ID);
  const size = truth.reduce((sum, file) => sum + file.size, 0);
  const fetchAll = async () => {
    await using workspace = await Workspace.open({ endpoint: cache!.origin });
    const run = await workspace.run([ID, '--json']);
    expect(run.exit, run.stderr).toBe(0);
    expect(await compareWithTruth(workspace.path('cached'), truth)).toEqual([]);
  };
  await fetchAll();
  expect(fileBytes(hub)).toBe(size);
  hub.log.clear();
  await fetchAll();
  expect(fileBytes(hub)).toBe(0);
  // Many at once, with nothing cached.
  await using other = await startCache(hub);
  const machines = [1, 2, 3].map(async () => {
    await using workspace = await Workspace.open({ endpoint: other!.origin });
    const run = await workspace.run([ID]);
    expect(run.exit, run.stderr).toBe(0);
    expect(await compareWithTruth(workspace.path('cached'), truth)).toEqual([]);
  });
  await Promise.all(machines);
  expect(fileBytes(hub)).toBe(size);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

test('what needs a token is not cached, and the token stays with the hub', async ({ skip }) => {
  await using hub = await startOrigin();
  await using cache = await startCache(hub);
  if (cache === undefined) skip('nginx is not installed: apt-get install nginx');
  await using workspace = await Workspace.open({ endpoint: cache!.origin });
  const words = ['tests/private', '--local-dir', 'm'];
  const env = { HF_TOKEN: TOKEN };
  expect((await workspace.run(words, { env })).exit).toBe(0);
  const truth = await hub.truth('tests/private');
  expect(await compareWithTruth(workspace.path('m'), truth)).toEqual([]);
  const { commit } = JSON.parse(await readFile(workspace.path('m/.cache/fetch/manifest.json'), 'utf8'));
  await rm(workspace.path('m'), { recursive: true });
  expect((await workspace.run(words)).exit).not.toBe(0);
  const url = `${cache!.origin}/tests/private/resolve/${commit}/model.safetensors`;
  expect((await fetch(url)).status).toBe(401);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

const environment = findPython();

test.skipIf('missing' in environment)('huggingface_hub takes a snapshot from it', async ({ skip }) => {
  await using hub = await startOrigin();
  await using cache = await startCache(hub);
  if (cache === undefined || !('python' in environment))
    return skip('nginx is not installed: apt-get install nginx');
  await using workspace = await Workspace.open();
  const setting = { python: environment.python, endpoint: cache.origin, home: workspace.home };
  for (const directory of ['one', 'two']) {
    await runPython(
      setting,
      'import json, sys\nfrom huggingface_hub import snapshot_download\nsnapshot_download(**json.loads(sys.argv[1]))\n',
      { repo_id: ID, local_dir: workspace.path(directory) },
    );
    expect(await compareWithTruth(workspace.path(directory), await hub.truth(ID))).toEqual([]);
  }
  const size = (await hub.truth(ID)).reduce((sum, file) => sum + file.size, 0);
  expect(fileBytes(hub)).toBe(size);
});
