import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generated, wholeContent } from '../support/hub/content/content.ts';
import { ollamaModel, pushed } from '../support/registry/model.ts';
import { Registry } from '../support/registry/registry.ts';
import { Workspace } from '../support/run-program.ts';
import { missingTools, runTool, startRealRegistry } from './registry-tools.ts';

const WEIGHTS = generated('weights of interop', 5_000_011);

/** Files of a model, two of them in a directory; absolute path of where they stand. */
async function modelFiles(workspace: Workspace): Promise<string> {
  const directory = workspace.path('model');
  mkdirSync(join(directory, 'tokenizer'), { recursive: true });
  writeFileSync(join(directory, 'model.safetensors'), await wholeContent(WEIGHTS));
  writeFileSync(join(directory, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(directory, 'tokenizer/vocab.txt'), 'a\nb\n');
  writeFileSync(join(directory, 'empty.txt'), '');
  return directory;
}

function digestOf(path: string): string {
  return `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}

describe("Debian's docker-registry", () => {
  test('what oras has pushed is pulled by us, byte for byte', async ({ skip }) => {
    const missing = missingTools('docker-registry', 'oras');
    if (missing !== undefined) return skip(missing);
    await using workspace = await Workspace.open();
    await using registry = await startRealRegistry(workspace.root);
    const directory = await modelFiles(workspace);
    const files = ['model.safetensors', 'config.json', 'tokenizer/vocab.txt', 'empty.txt'];
    const to = `${registry.host}/models/tiny:v1`;
    await runTool('oras', ['push', '--plain-http', to, ...files], directory);
    const run = await workspace.run([`oci://${to}`, '--quiet']);
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('tiny_v1')}\n` });
    for (const file of files)
      expect(readFileSync(workspace.path('tiny_v1', file)).equals(readFileSync(join(directory, file)))).toBe(
        true,
      );
    // Its config is `{}`, beside a layer that is called config.json.
    expect(readFileSync(workspace.path('tiny_v1/config-blob.json'), 'utf8')).toBe('{}');
    const { stdout } = await runTool(
      'oras',
      ['manifest', 'fetch', '--plain-http', '--descriptor', to],
      directory,
    );
    expect(digestOf(workspace.path('tiny_v1/manifest.json'))).toBe(JSON.parse(stdout).digest);
    const table = await workspace.run(['branches', `oci://${registry.host}/models/tiny`, '--json']);
    expect(JSON.parse(table.stdout).rows).toMatchObject([
      { revision: 'v1', commit: JSON.parse(stdout).digest },
    ]);
    expect((await workspace.run(['verify', 'tiny_v1'])).exit).toBe(0);
  });

  test('a directory that oras has packed is refused by name', async ({ skip }) => {
    const missing = missingTools('docker-registry', 'oras');
    if (missing !== undefined) return skip(missing);
    await using workspace = await Workspace.open();
    await using registry = await startRealRegistry(workspace.root);
    const directory = await modelFiles(workspace);
    const to = `${registry.host}/models/packed:v1`;
    await runTool('oras', ['push', '--plain-http', to, 'tokenizer', 'config.json'], directory);
    const run = await workspace.run([`oci://${to}`, '--quiet']);
    expect(run.exit).toBe(4);
    expect(run.stderr).toContain('tokenizer');
    expect((await workspace.run([`oci://${to}`, 'config.json', '--quiet'])).exit).toBe(0);
  });

  test('a model of our registry is copied into it by skopeo, unmodified, and pulled by us', async ({
    skip,
  }) => {
    const missing = missingTools('docker-registry', 'skopeo');
    if (missing !== undefined) return skip(missing);
    await using workspace = await Workspace.open();
    await using real = await startRealRegistry(workspace.root);
    const model = await pushed({
      form: 'oci',
      configType: 'application/vnd.oci.image.config.v1+json',
      config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
      layers: [
        {
          type: 'application/vnd.cncf.model.weight.v1.raw',
          content: WEIGHTS,
          annotations: { 'org.cncf.model.filepath': 'a/model.bin' },
        },
      ],
    });
    await using ours = await Registry.start({
      like: 'oci',
      redirects: true,
      models: { 'models/tiny': { v1: model } },
      access: { challenge: 'bearer' },
    });
    const words = [
      '--insecure-policy',
      'copy',
      '--preserve-digests',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
    ];
    const [from, to] = [ours.host, real.host].map((host) => `docker://${host}/models/tiny:v1`);
    await runTool('skopeo', [...words, from!, to!], workspace.root);
    for (const host of [ours.host, real.host]) {
      const run = await workspace.run([
        `oci://${host}/models/tiny:v1`,
        '--local-dir',
        host.replace(':', '_'),
        '--quiet',
      ]);
      expect(run.exit).toBe(0);
      const place = host.replace(':', '_');
      expect(readFileSync(workspace.path(place, 'a/model.bin')).equals(await wholeContent(WEIGHTS))).toBe(
        true,
      );
      expect(digestOf(workspace.path(place, 'manifest.json'))).toBe(model.digest);
    }
  });
});

test('our registry is pulled by oras, unmodified', async ({ skip }) => {
  const missing = missingTools('oras');
  if (missing !== undefined) return skip(missing);
  await using workspace = await Workspace.open();
  const model = await pushed({
    form: 'oci',
    layers: [
      {
        type: 'application/octet-stream',
        content: WEIGHTS,
        annotations: { 'org.opencontainers.image.title': 'model.bin' },
      },
    ],
  });
  const ollama = await ollamaModel(generated('q4', 1000));
  const models = { 'models/tiny': { v1: model, v2: ollama, v3: model } };
  await using ours = await Registry.start({
    like: 'oci',
    // Go sends a credential on to another port of the same host, which our storage refuses.
    redirects: false,
    models,
    tagsPerPage: 2,
    access: { challenge: 'bearer' },
  });
  const name = `${ours.host}/models/tiny`;
  await runTool('oras', ['pull', '--plain-http', `${name}:v1`, '-o', 'pulled'], workspace.root);
  expect(readdirSync(join(workspace.root, 'pulled'))).toEqual(['model.bin']);
  expect(readFileSync(join(workspace.root, 'pulled/model.bin')).equals(await wholeContent(WEIGHTS))).toBe(
    true,
  );
  const { stdout } = await runTool('oras', ['repo', 'tags', '--plain-http', name], workspace.root);
  expect(stdout.trim().split('\n')).toEqual(['v1', 'v2', 'v3']);
});
