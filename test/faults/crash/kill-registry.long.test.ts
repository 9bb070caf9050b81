import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { ollamaModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';

const MIB = 1 << 20;
const SIZE = 512 * MIB;
const CONNECTIONS = 8;
const KILLS = 10;

test('kill -9 ten times in one pull from a registry: every byte is right, and few came twice', async () => {
  const model = await ollamaModel(generated('kill', SIZE));
  await using registry = await Registry.start({
    like: 'ollama',
    models: { 'library/big': { latest: model } },
  });
  await using workspace = await Workspace.open();
  const words = [`ollama://${registry.host}/library/big`, '--connections', String(CONNECTIONS), '--quiet'];
  const chance = randomNumbers(4_711);
  registry.fault({ on: 'storage', effect: { kind: 'slow', rate: 2 * MIB } });
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = registry.blobBytes;
    const bytes = Math.round(chance() * 24 * MIB);
    const program = workspace.start(words);
    await program.until(`${bytes} bytes were sent`, () => registry.blobBytes - before >= bytes);
    program.kill('SIGKILL');
    expect((await program.ended).signal).toBe('SIGKILL');
    expect(workspace.has('big', 'model.gguf')).toBe(false);
  }
  registry.faults.clear();
  expect(await workspace.run(words)).toMatchObject({ exit: 0 });
  const hash = createHash('sha256');
  await pipeline(createReadStream(workspace.path('big/model.gguf')), hash);
  expect(`sha256:${hash.digest('hex')}`).toBe(JSON.parse(model.manifest.toString()).layers[0].digest);
  // What the storage gave to the system counts, also where the killed program had not read it yet.
  const twice = registry.blobBytes - SIZE;
  console.log(
    `ten kills: ${(twice / 1e6).toFixed(1)} MB of ${(SIZE / 1e6).toFixed(0)} MB came twice, ` +
      `${(twice / 1e6 / KILLS / CONNECTIONS).toFixed(2)} MB for each connection and kill`,
  );
  expect(twice).toBeLessThanOrEqual(SIZE / 100 + KILLS * CONNECTIONS * 1_000_000);
});
