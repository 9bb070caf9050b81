import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { bigFile } from '../../support/hub/fixtures/odd.ts';
import { startHub } from '../../support/hub/hub.ts';
import { Workspace } from '../../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/big-file';
const SIZE = 512 * MIB;
const CONNECTIONS = 8;
const KILLS = 20;

test('kill -9 twenty times in one download, at random moments: every byte is right, and few came twice', async () => {
  await using hub = await startHub({ repositories: [bigFile(SIZE)], bytesPerSecond: 4 * MIB });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const words = [ID, '--connections', String(CONNECTIONS), '--quiet'];
  const chance = randomNumbers(4_711);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = hub.log.bytesSent('cdn');
    const bytes = Math.round(chance() * 24 * MIB);
    const program = workspace.start(words);
    await program.until(`${bytes} bytes were sent`, () => hub.log.bytesSent('cdn') - before >= bytes);
    program.kill('SIGKILL');
    expect((await program.ended).signal).toBe('SIGKILL');
    expect(workspace.has('big-file', 'model.bin')).toBe(false);
  }
  hub.settings.bytesPerSecond = undefined;
  expect(await workspace.run(words)).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
  expect(await readdir(workspace.path('big-file/.cache/fetch/parts'))).toEqual([]);
  // What the hub gave to the system counts, also where the killed program had not read it yet.
  const twice = hub.log.bytesSent('cdn') - SIZE;
  const share = (100 * twice) / SIZE;
  console.log(
    `twenty kills: ${(twice / 1e6).toFixed(1)} MB of ${(SIZE / 1e6).toFixed(0)} MB came twice (${share.toFixed(1)} %), ` +
      `${(twice / 1e6 / KILLS / CONNECTIONS).toFixed(2)} MB for each connection and kill`,
  );
  expect(twice).toBeLessThanOrEqual(SIZE / 100 + KILLS * CONNECTIONS * 1_000_000);
});
