import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { serveStarving } from '../support/starving-server.ts';

const ID = 'tests/collapse';
const MB = 1_000_000;
const SIZE = 200 * MB;
const EACH = 10 * MB;

test.each([
  ['from the start', 0],
  ['after 60 MB', 60 * MB],
])('a CDN that starves more than 4 connections, %s', async (_, after) => {
  await using hub = await startHub({
    repositories: [
      { id: ID, branches: { main: [xetFile('model.safetensors', generated('collapse', SIZE))] } },
    ],
  });
  await using cdn = await serveStarving(() => hub.cdnOrigin, {
    above: 4,
    each: EACH,
    trickle: 20_000,
    after,
  });
  hub.settings.cdnBase = cdn.origin;
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([ID]);
  expect(run.stderr).toMatch(/127\.0\.0\.1:\d+ brings more with fewer connections: \d+ → 4\n/);
  expect(run.exit).toBe(0);
  expect(await compareWithTruth(workspace.path('collapse'), await hub.truth(ID))).toEqual([]);
  // Four connections need 5 s. At a trickle it would take more than ten minutes.
  expect(run.tookMs).toBeLessThan(3 * (SIZE / (4 * EACH)) * 1000 + 15_000);
});
