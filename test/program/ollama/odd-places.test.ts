import { mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { expectedStore, filesIn, storeDifferences } from '../../support/ollama-models.ts';
import { ollamaModel, type PushedModel, pushed } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { PROGRAM, type Run, Workspace } from '../../support/run-program.ts';
import { canMount, makeReadOnly, smallDisk } from '../../support/small-disk.ts';

const NAME = 'library/tensors';
let registry: Registry;
let workspace: Workspace;

beforeEach(async () => {
  registry = await Registry.start({
    like: 'ollama',
    models: { [NAME]: { latest: await ollamaModel(generated('weights', 3_000_017)) } },
  });
  workspace = await Workspace.open();
  return async () => {
    await registry[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  };
});

const pull = (models: string, ...words: string[]): Promise<Run> =>
  workspace.run([`ollama://${registry.host}/${NAME}`, '--ollama', ...words], {
    env: { OLLAMA_MODELS: models },
  });

async function differences(models: string, model: PushedModel): Promise<string[]> {
  return storeDifferences(models, await expectedStore({ [`${registry.host}/${NAME}/latest`]: model }));
}

async function move(model: PushedModel): Promise<PushedModel> {
  registry.move(NAME, 'latest', model);
  return model;
}

test('a build of tensors, some with the same content, is stored blob by blob', async () => {
  const tensor = (name: string, content: string) => ({ type: 'tensor', name, content });
  const model = await move(
    await pushed({
      layers: [
        tensor('model.layers.0.weight', 'one'),
        tensor('model.layers.1.weight', 'one'),
        tensor('A_log', 'two'),
        { type: 'json', name: 'text_encoder/config.json', content: '{}' },
        { type: 'license', content: 'free' },
        { type: 'license', content: 'free' },
      ],
    }),
  );
  const models = workspace.path('models');
  expect((await pull(models)).exit).toBe(0);
  expect(await differences(models, model)).toEqual([]);
});

test.each(['../../../evil', '/etc/evil', '.git/hooks/post-checkout', 'a\u0000b'])(
  'a layer called %j is refused before a byte (8)',
  async (name) => {
    await move(
      await pushed({
        layers: [
          { type: 'model', content: 'GGUF' },
          { type: 'tensor', name, content: 'x' },
        ],
      }),
    );
    const models = workspace.path('models');
    expect(await pull(models)).toMatchObject({ exit: 8, stdout: '' });
    expect(filesIn(workspace.directory)).toEqual([]);
    expect(registry.blobBytes).toBe(0);
  },
);

test('an archive among the layers is refused by name (4)', async () => {
  await move(
    await pushed({
      layers: [
        { type: 'model', content: 'GGUF' },
        { type: 'application/vnd.oci.image.layer.v1.tar+gzip', content: 'x' },
      ],
    }),
  );
  const models = workspace.path('models');
  expect(await pull(models)).toMatchObject({ exit: 4, stdout: '' });
  expect(filesIn(workspace.directory)).toEqual([]);
});

test.each(['blobs', 'manifests', '.fetch'])('a link in the place of %s is refused (8)', async (name) => {
  const [models, outside] = [workspace.path('models'), workspace.path('outside')];
  for (const directory of [models, outside]) mkdirSync(directory);
  symlinkSync(outside, join(models, name));
  expect(await pull(models)).toMatchObject({ exit: 8, stdout: '' });
  expect(readdirSync(outside)).toEqual([]);
});

test('the umask of the user holds', async () => {
  const models = workspace.path('models');
  const script = 'umask 0077; exec "$0" "$@"';
  const command = ['sh', '-c', script, process.execPath, PROGRAM];
  const words = [`ollama://${registry.host}/${NAME}`, '--ollama'];
  const run = await workspace.run(words, { env: { OLLAMA_MODELS: models }, command });
  expect(run.exit).toBe(0);
  const modes = filesIn(models)
    .filter((path) => !path.startsWith('.fetch/'))
    .map((path) => statSync(join(models, path)).mode & 0o777);
  expect(new Set(modes)).toEqual(new Set([0o600]));
});

test.skipIf(!canMount)('a full disk is 8, and what came is continued where there is room', async () => {
  const disk = smallDisk(2 * 1024);
  const models = join(disk, 'models');
  for (const words of [[], ['--ignore-space']]) {
    const full = await pull(models, ...words);
    expect(full).toMatchObject({ exit: 8, stdout: '' });
    // Together with --ollama it would be a usage error.
    expect(full.stderr).not.toContain('--local-dir');
    expect(full.stderr).toMatch(/OLLAMA_MODELS/);
  }
  expect(filesIn(models).filter((path) => !path.startsWith('.fetch/'))).toEqual([]);
});

test.skipIf(!canMount)('a store that cannot be written is enough if it holds the model', async () => {
  const models = join(smallDisk(16 * 1024), 'models');
  expect((await pull(models)).exit).toBe(0);
  makeReadOnly(join(models, '..'));
  const stdout = `${registry.host}/${NAME}:latest\n`;
  expect(await pull(models)).toMatchObject({ exit: 0, stdout });
  await move(await ollamaModel(generated('other', 1000)));
  expect(await pull(models)).toMatchObject({ exit: 8, stdout: '' });
});
