import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { startHub } from '../../support/hub/hub.ts';
import { Workspace } from '../../support/run-program.ts';
import { ContentStore } from '../../support/xet/content-store.ts';
import { random } from '../../support/xet/contents.ts';
import { pack } from '../../support/xet/pack.ts';

const MIB = 1 << 20;
const ID = 'tests/killed';
const CONNECTIONS = 4;
const KILLS = 10;
/** A part that stands twice in the file, so that some chunks have two places. */
const REPEATED = random(3, 16 * MIB);
const CONTENT = Buffer.concat([random(1, 40 * MIB), REPEATED, random(2, 40 * MIB), REPEATED]);

test.each([5, 6])('kill -9 at random moments, each run over one protocol or the other (%d)', async (seed) => {
  await using store = await ContentStore.start({ bytesPerSecond: 4 * MIB });
  const file = await pack(store, CONTENT, {});
  await using hub = await startHub({
    repositories: [{ id: ID, branches: { main: [file.file('model.bin')] } }],
    contentStore: store,
    bytesPerSecond: 4 * MIB,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const words = [ID, '--connections', String(CONNECTIONS), '--quiet'];
  const chance = randomNumbers(seed);
  const sent = () => store.log.bytesSent('xorbs') + hub.log.bytesSent('cdn');
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = sent();
    const bytes = Math.round(chance() * 8 * MIB);
    const running = workspace.start([...words, '--protocol', chance() < 0.5 ? 'xet' : 'http']);
    await running.until(`${bytes} bytes were sent`, () => sent() - before >= bytes);
    running.kill('SIGKILL');
    expect((await running.ended).signal).toBe('SIGKILL');
    expect(workspace.has('killed', 'model.bin')).toBe(false);
  }
  store.settings.bytesPerSecond = undefined;
  hub.settings.bytesPerSecond = undefined;
  expect(await workspace.run([...words, '--protocol', 'xet'])).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('killed'), await hub.truth(ID))).toEqual([]);
  expect(await readdir(workspace.path('killed/.cache/fetch/parts'))).toEqual([]);
  // What was sent and not read yet counts as well; what stands twice comes once over one of the protocols only.
  expect(sent() - CONTENT.length).toBeLessThan(CONTENT.length / 100 + KILLS * CONNECTIONS * 2 * MIB);
});
