import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { ollamaModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';

test('doctor looks at a registry, its storage, and nothing that only hubs have', async () => {
  const model = await ollamaModel(generated('doctor', 3_000_000));
  await using registry = await Registry.start({
    like: 'ollama',
    models: { 'library/tiny': { latest: model } },
    access: { challenge: 'bearer' },
  });
  await using workspace = await Workspace.open();
  const env = { HF_TOKEN: 'hf_topsecret' };
  const name = `ollama://${registry.host}/library/tiny`;
  const run = await workspace.run(['doctor', name, '--json'], { env });
  expect(run.exit).toBe(0);
  const { checks } = JSON.parse(run.stdout) as { checks: { name: string; state: string; message: string }[] };
  const stateOf = Object.fromEntries(checks.map(({ name: check, state }) => [check, state]));
  expect(stateOf).toMatchObject({
    connection: 'ok',
    token: 'ok',
    repository: 'ok',
    location: 'ok',
    resolve: 'skipped',
    binding: 'skipped',
    ranges: 'ok',
    renewal: 'ok',
    content: 'ok',
  });
  expect(checks.find((check) => check.name === 'location')?.message).toContain(registry.storageHost);
  expect(checks.find((check) => check.name === 'settings')?.message).toBe(`registry http://${registry.host}`);
  // Hints and messages of a registry name no other server.
  expect(run.stdout.replaceAll(/"(?:program|fetch) [^"]*"/g, '')).not.toMatch(/\bhub\b|huggingface/i);
  expect(registry.log.every(({ url }) => !url.startsWith('/api'))).toBe(true);
  expect(JSON.stringify(registry.log) + run.stdout + run.stderr).not.toContain('hf_topsecret');
});

test('doctor names the login of docker that a registry gets, and records neither password nor token', async () => {
  const model = await ollamaModel(generated('doctor', 300_000));
  await using registry = await Registry.start({
    like: 'oci',
    redirects: true,
    models: { 'library/tiny': { latest: model } },
    access: { challenge: 'bearer', user: 'me', password: 'geheim' },
  });
  await using workspace = await Workspace.open();
  await mkdir(join(workspace.home, '.docker'));
  const auth = Buffer.from('me:geheim').toString('base64');
  const path = join(workspace.home, '.docker/config.json');
  await writeFile(path, JSON.stringify({ auths: { [registry.host]: { auth } } }));
  const run = await workspace.run(['doctor', `oci://${registry.host}/library/tiny`, '--record', 'tape.json']);
  expect(run.exit).toBe(0);
  expect(run.stdout).toContain(`login of me, from ${path}`);
  const recorded = await readFile(workspace.path('tape.json'), 'utf8');
  for (const secret of ['geheim', auth, 'token-1-of-our-registry']) {
    expect(run.stdout + run.stderr).not.toContain(secret);
    expect(recorded).not.toContain(secret);
  }
});
