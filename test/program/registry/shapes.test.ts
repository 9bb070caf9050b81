import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bytes, generated } from '../../support/hub/content/content.ts';
import { ollamaModel, type PushedModel, pushed } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';
import { serveHttp } from '../../support/server.ts';

const CONFIG = { model_format: 'safetensors', model_family: 'gemma4', model_type: '26B', file_type: 'mxfp8' };

test('a safetensors build of Ollama: hundreds of tensors under their own names, and its config', async () => {
  const tensors = Array.from({ length: 300 }, (_, layer) => ({
    type: 'tensor',
    name: `model.layers.${layer}.mlp.down_proj.weight`,
    content: generated(`tensor ${layer}`, 4001 + layer),
  }));
  const model = await pushed({
    config: CONFIG,
    layers: [...tensors, { type: 'json', name: 'config.json', content: '{"architectures":["Gemma"]}' }],
  });
  await using registry = await Registry.start({
    like: 'ollama',
    models: { 'library/gemma4': { mlx: model } },
  });
  await using workspace = await Workspace.open();
  const name = `ollama://${registry.host}/library/gemma4:mlx`;
  expect(await workspace.run([name, '--quiet'])).toMatchObject({
    exit: 0,
    stdout: `${workspace.path('gemma4_mlx')}\n`,
  });
  expect((await workspace.run(['verify', 'gemma4_mlx'])).exit).toBe(0);
  expect(readFileSync(workspace.path('gemma4_mlx/config.json'), 'utf8')).toContain('Gemma');
  expect(JSON.parse(readFileSync(workspace.path('gemma4_mlx/config-blob.json'), 'utf8'))).toEqual(CONFIG);
  // A blob is located once.
  expect(registry.count('blob')).toBe(302);
  const { rows } = JSON.parse((await workspace.run(['branches', name, '--json'])).stdout);
  expect(rows[0]).toMatchObject({
    weightBytes: tensors.reduce((sum, { content }) => sum + content.size, 0),
    formats: [{ format: 'safetensors', files: 300 }],
    facts: {
      architecture: { value: 'gemma4' },
      quantisation: { value: 'mxfp8' },
      parameters: { value: 26e9 },
    },
  });
});

test('a registry that serves blobs itself sends few of them to say where they are', async () => {
  const size = 700_001;
  const layers = Array.from({ length: 60 }, (_, index) => ({
    type: 'tensor',
    name: `model.layers.${index}.weight`,
    content: generated(`direct ${index}`, size),
  }));
  await using registry = await Registry.start({
    like: 'oci',
    redirects: false,
    models: { 'library/direct': { latest: await pushed({ layers, config: {} }) } },
  });
  await using workspace = await Workspace.open();
  const run = await workspace.run([`oci://${registry.host}/library/direct`, '--quiet', '--connections', '2']);
  expect(run.exit).toBe(0);
  const asked = registry.log.filter(({ kind }) => kind === 'blob').map(({ range }) => range);
  expect(asked.filter((range) => range === undefined).length).toBeLessThan(20);
  expect(asked.filter((range) => range === 'bytes=0-0').length).toBeGreaterThan(40);
});

test('a registry under another name, as hf.co is: its redirects are followed, and each blob is located once', async () => {
  const model: PushedModel = await ollamaModel(generated('renamed', 2_000_003), {
    layers: [{ type: 'params', content: bytes('{}') }],
  });
  await using registry = await Registry.start({
    like: 'ollama',
    models: { 'bartowski/some': { Q4_K_M: model } },
  });
  await using front = await serveHttp((request, response) => {
    response.writeHead(307, { location: `http://${registry.host}${request.url}` }).end();
  });
  await using workspace = await Workspace.open();
  const host = new URL(front.origin).host;
  expect((await workspace.run([`ollama://${host}/bartowski/some:Q4_K_M`, '--quiet'])).exit).toBe(0);
  expect((await workspace.run(['verify', 'some_Q4_K_M'])).exit).toBe(0);
  expect(registry.count('blob')).toBe(3);
  // On the Hub a Range on the way would bind the address to that range.
  const asked = registry.log.filter(({ kind }) => kind === 'blob').map(({ range }) => range);
  expect(asked).toEqual([undefined, undefined, undefined]);
});
