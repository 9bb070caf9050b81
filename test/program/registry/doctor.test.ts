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
    token: 'skipped',
    repository: 'ok',
    location: 'ok',
    resolve: 'skipped',
    binding: 'skipped',
    ranges: 'ok',
    renewal: 'ok',
    content: 'ok',
  });
  expect(checks.find((check) => check.name === 'location')?.message).toContain(registry.storageHost);
  expect(registry.log.every(({ url }) => !url.startsWith('/api'))).toBe(true);
  expect(JSON.stringify(registry.log) + run.stdout + run.stderr).not.toContain('hf_topsecret');
});
