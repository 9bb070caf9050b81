import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { blobOf, ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';

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
  registry.log.length = 0;
  const again = await workspace.run([name()]);
  expect(again).toMatchObject({ exit: 0, stdout: run.stdout });
  expect(registry.log.map(({ kind }) => kind)).toEqual(['manifest']);
  expect((await workspace.run(['verify', 'mixtral'])).exit).toBe(0);
});
