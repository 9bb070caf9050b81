import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { expectedStore, filesIn, journaledBytes, storeDifferences } from '../../support/ollama-models.ts';
import { ollamaModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';

const MIB = 1 << 20;
const SIZE = 512 * MIB;
const KILLS = 10;
const CONNECTIONS = 4;
const NAME = 'library/mixtral';

test('kill -9 at ten moments of one pull: the store is right in the end, and at most 1 MB per connection came twice', async () => {
  const model = await ollamaModel(generated('weights', SIZE));
  await using registry = await Registry.start({ like: 'ollama', models: { [NAME]: { '8x7b': model } } });
  await using workspace = await Workspace.open();
  const store = join(workspace.home, '.ollama/models');
  registry.fault({ on: 'storage', effect: { kind: 'slow', rate: 24 * MIB } });
  const words = [`ollama://${registry.host}/${NAME}:8x7b`, '--ollama', '--connections', String(CONNECTIONS)];
  const chance = randomNumbers(20_261);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = journaledBytes(store);
    const goal = before + Math.round((0.2 + 0.8 * chance()) * 20 * MIB);
    const program = workspace.start(words);
    await program.until(`${goal} bytes are there`, () => journaledBytes(store) >= goal);
    program.kill('SIGKILL');
    expect((await program.ended).signal).toBe('SIGKILL');
    // Nothing that Ollama would prune, and no model that is not whole.
    expect(filesIn(store).filter((path) => !path.startsWith('.fetch/'))).toEqual([]);
  }
  registry.faults.clear();
  const last = await workspace.run(words);
  expect(last.exit).toBe(0);
  const expected = await expectedStore({ [`${registry.host}/${NAME}/8x7b`]: model });
  expect(storeDifferences(store, expected)).toEqual([]);
  expect(filesIn(join(store, '.fetch')).every((path) => path.startsWith('hashed-'))).toBe(true);

  const twice = registry.blobBytes - SIZE;
  console.log(`ten kills: ${(twice / 1e6).toFixed(1)} MB were sent twice`);
  expect(twice).toBeLessThanOrEqual(KILLS * CONNECTIONS * 1_000_000);
});
