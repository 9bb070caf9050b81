import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { startHub } from '../../support/hub/hub.ts';
import { gitFile } from '../../support/hub/repositories/file.ts';
import { blobOf, ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { jsonLines, Workspace } from '../../support/run-program.ts';

const NAME = 'library/mixtral';
let latest: PushedModel;
let small: PushedModel;
let registry: Registry;
let workspace: Workspace;

beforeAll(async () => {
  latest = await ollamaModel(generated('weights', 3_000_017));
  small = await ollamaModel(generated('small', 50_021), { config: { model_type: '7B' } });
});

beforeEach(async () => {
  registry = await Registry.start({ like: 'ollama', models: { [NAME]: { latest, '7b': small } } });
  workspace = await Workspace.open();
  return async () => {
    await registry[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  };
});

const name = (tag = '') => `ollama://${registry.host}/${NAME}${tag}`;

/** Every file of a model stands in the directory, byte for byte. */
async function expectModel(directory: string, model: PushedModel): Promise<void> {
  const { layers, config } = JSON.parse(model.manifest.toString());
  const digests = [...layers, config].map(({ digest }: { digest: string }) => digest);
  const names = ['model.gguf', 'template', 'params.json', 'license', 'config.json'];
  for (const [index, file] of names.entries())
    expect(readFileSync(workspace.path(directory, file)).equals(await blobOf(model, digests[index]!))).toBe(
      true,
    );
  expect(readFileSync(workspace.path(directory, 'manifest.json')).equals(model.manifest)).toBe(true);
  const there = readdirSync(workspace.path(directory)).filter((file) => file !== '.cache');
  expect(there.sort()).toEqual([...names, 'manifest.json'].sort());
}

test('a tag becomes a directory of its files, and the second run asks for nothing but the manifest', async () => {
  const run = await workspace.run([name()]);
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('mixtral')}\n` });
  await expectModel('mixtral', latest);
  const manifest = JSON.parse(readFileSync(workspace.path('mixtral/.cache/fetch/manifest.json'), 'utf8'));
  expect(manifest).toMatchObject({
    version: 1,
    endpoint: `http://${registry.host}`,
    repo: { type: 'model', source: 'ollama', id: `${registry.host}/${NAME}` },
    revision: 'latest',
    commit: latest.digest,
  });
  // `hf` would not understand them.
  expect(workspace.has('mixtral/.cache/huggingface/download')).toBe(false);
  registry.log.length = 0;
  const again = await workspace.run([name()]);
  expect(again).toMatchObject({ exit: 0, stdout: run.stdout });
  expect(registry.log.map(({ kind }) => kind)).toEqual(['manifest']);
  expect((await workspace.run(['verify', 'mixtral'])).exit).toBe(0);
});

test('a tag has a directory of its own, a digest one with its first digits', async () => {
  expect(await workspace.run([name(':7b'), '--quiet'])).toMatchObject({
    exit: 0,
    stdout: `${workspace.path('mixtral_7b')}\n`,
  });
  await expectModel('mixtral_7b', small);
  const hex = small.digest.slice('sha256:'.length);
  const byDigest = await workspace.run([`${name()}@${small.digest}`, '--quiet']);
  expect(byDigest).toMatchObject({ exit: 0, stdout: `${workspace.path(`mixtral_${hex.slice(0, 12)}`)}\n` });
  // The bytes are beside it already.
  expect(registry.log.filter(({ kind, range }) => kind === 'storage' && range !== 'bytes=0-0')).toHaveLength(
    5,
  );
});

test('--json names source, digest and files', async () => {
  const { stdout } = await workspace.run([name(':7b'), '--json']);
  const lines = jsonLines(stdout);
  expect(lines[0]).toMatchObject({
    event: 'resolved',
    repo: `ollama://${registry.host}/${NAME}`,
    revision: '7b',
    commit: small.digest,
  });
  const repo = { type: 'model', source: 'ollama', id: `${registry.host}/${NAME}` };
  const plan = await workspace.run([name(':7b'), '--dry-run', '--json']);
  expect(JSON.parse(plan.stdout).repo).toEqual(repo);
  const check = await workspace.run(['verify', 'mixtral_7b', '--json']);
  expect(JSON.parse(check.stdout).repo).toEqual(repo);
  expect(lines.at(-1)).toMatchObject({ event: 'done', commit: small.digest, files: 6 });
});

describe('locks', () => {
  const pathOf = () => workspace.path('models.lock');
  const lock = async () => {
    expect((await workspace.run(['lock', name()])).exit).toBe(0);
    return JSON.parse(readFileSync(pathOf(), 'utf8'));
  };

  test('a lockfile names source, digest of the manifest and of every file; a frozen run needs it alone', async () => {
    const document = await lock();
    expect(document).toMatchObject({
      endpoint: `http://${registry.host}`,
      repo: { type: 'model', source: 'ollama', id: `${registry.host}/${NAME}` },
      revision: 'latest',
      commit: latest.digest,
    });
    expect(document.files).toHaveLength(6);
    for (const { sha256, oid } of document.files) expect(oid).toBe(sha256);
    const frozen = ['--lock', 'models.lock', '--frozen', '--quiet'];
    expect((await workspace.run([name(), ...frozen])).exit).toBe(0);
    await expectModel('mixtral', latest);
    registry.log.length = 0;
    expect((await workspace.run([name(), ...frozen])).exit).toBe(0);
    expect((await workspace.run(['--lock', 'models.lock', '--quiet'])).exit).toBe(0);
    expect(registry.log).toEqual([]);
  });

  test('after the tag has moved the manifest comes by its digest', async () => {
    await lock();
    registry.move(NAME, 'old', latest);
    registry.move(NAME, 'latest', small);
    expect((await workspace.run([name(), '--lock', 'models.lock', '--frozen', '--quiet'])).exit).toBe(0);
    await expectModel('mixtral', latest);
  });

  test.each([
    ['has not moved', false, 0],
    ['has moved', true, 7],
  ])('where no manifest is served by its digest, and the tag %s', async (_, moves, exit) => {
    await lock();
    registry.fault({ on: 'manifest', url: 'sha256:', effect: { kind: 'status', status: 405 } });
    if (moves) registry.move(NAME, 'latest', small);
    expect((await workspace.run([name(), '--lock', 'models.lock', '--frozen', '--quiet'])).exit).toBe(exit);
    if (exit === 0) await expectModel('mixtral', latest);
  });

  test('models of a hub and of a registry are in one lockfile', async () => {
    await using hub = await startHub({
      repositories: [{ id: 'tests/x', branches: { main: [gitFile('config.json', '{}')] } }],
      tokens: [{ token: 'hf_secret', user: 'me', access: 'all' }],
    });
    const env = { HF_ENDPOINT: hub.origin, HF_TOKEN: 'hf_secret' };
    expect((await workspace.run(['lock', 'tests/x', name()], { env })).exit).toBe(0);
    expect((await workspace.run(['--lock', 'models.lock', '--quiet'], { env })).exit).toBe(0);
    await expectModel('mixtral', latest);
    expect(workspace.has('x/config.json')).toBe(true);
    expect(JSON.stringify(registry.log)).not.toContain('hf_secret');
  });

  test('where the registry does not have that manifest any more, the lock does not hold', async () => {
    await lock();
    registry.move(NAME, 'latest', small);
    const run = await workspace.run([name(), '--lock', 'models.lock', '--frozen', '--quiet']);
    expect(run).toMatchObject({ exit: 7, stdout: '' });
    expect(run.stderr).toContain('does not hold');
  });
});

test('verify finds what was changed or lost, and mends it from the manifest of the same digest', async () => {
  expect((await workspace.run([name(), '--quiet'])).exit).toBe(0);
  rmSync(workspace.path('mixtral/template'));
  rmSync(workspace.path('mixtral/manifest.json'));
  writeFileSync(workspace.path('mixtral/params.json'), '{}');
  expect((await workspace.run(['verify', 'mixtral'])).exit).toBe(7);
  registry.move(NAME, 'old', latest);
  registry.move(NAME, 'latest', small);
  expect((await workspace.run(['verify', 'mixtral', '--repair'])).exit).toBe(0);
  await expectModel('mixtral', latest);
  const against = await workspace.run(['verify', 'mixtral', '--repo', name(':old')]);
  expect(against.exit).toBe(0);
});

test('--offline is satisfied by a directory that is complete, and by nothing else', async () => {
  const offline = ['--offline', '--quiet'];
  expect((await workspace.run([name(), ...offline])).exit).toBe(4);
  expect((await workspace.run([name(), '--quiet'])).exit).toBe(0);
  registry.log.length = 0;
  expect((await workspace.run([name(), ...offline])).exit).toBe(0);
  expect((await workspace.run([name(':7b'), '--local-dir', 'mixtral', ...offline])).exit).toBe(4);
  expect(registry.log).toEqual([]);
});

test('--shard brings a part, and all parts the model', async () => {
  for (const shard of ['1/2', '2/2'])
    expect((await workspace.run([name(), '--shard', shard, '--quiet'])).exit).toBe(0);
  await expectModel('mixtral', latest);
});

test('--only-hosts must list the storage as well', async () => {
  const { host, storageHost } = registry;
  const refused = await workspace.run([name(), '--only-hosts', host, '--quiet']);
  expect(refused.exit).toBe(5);
  expect(refused.stderr).toContain(storageHost);
  expect((await workspace.run([name(), '--only-hosts', `${host},${storageHost}`, '--quiet'])).exit).toBe(0);
});

test('some files, and a name that is not there', async () => {
  const run = await workspace.run([name(), 'params.json', '--quiet']);
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('mixtral/params.json')}\n` });
  expect((await workspace.run([name(), 'nothing.bin', '--quiet'])).exit).toBe(4);
});

test.each([
  ['--repo-type', ['--repo-type', 'dataset']],
  ['--endpoint', ['--endpoint', 'http://127.0.0.1:9']],
  ['--cache', ['--cache']],
  ['--cache-dir', ['--cache-dir', 'cache']],
  ['a token of the Hub', ['--token', 'hf_secretsecret']],
  ['another revision', ['--revision', 'other']],
])('%s makes no sense with a registry', async (_, words) => {
  const run = await workspace.run([name(':7b'), ...words]);
  expect(run).toMatchObject({ exit: 2, stdout: '' });
  expect(run.stderr).not.toContain('hf_secretsecret');
  expect(registry.log).toEqual([]);
});

test('a missing tag names the nearest, a missing model where to look', async () => {
  const tag = await workspace.run([name(':7c')]);
  expect(tag.exit).toBe(4);
  expect(tag.stderr).toContain('Nearest: 7b');
  expect((await workspace.run([`ollama://${registry.host}/library/nothing`])).exit).toBe(4);
  await using oci = await Registry.start({ like: 'oci', models: { 'models/x': { latest } } });
  const nothing = `oci://${oci.host}/models/nothing`;
  for (const words of [[nothing], ['branches', nothing]]) {
    const model = await workspace.run(words);
    expect(model.exit).toBe(4);
    expect(model.stderr).toContain(`${oci.host} has no ${nothing}\n`);
    // It would end the same.
    expect(model.stderr).not.toContain('fetch branches');
  }
});

test('the hint of a missing tag is worth one request, not all the retries', async () => {
  registry.fault({ on: 'page', effect: { kind: 'status', status: 503 } });
  const tag = await workspace.run([name(':7c')]);
  expect(tag.exit).toBe(4);
  expect(registry.count('page')).toBe(1);
});
