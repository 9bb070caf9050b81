import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { xetFile } from '../support/hub/repositories/file.ts';
import { knownName } from '../support/known-names.ts';
import { Workspace } from '../support/run-program.ts';
import { serveStarving } from '../support/starving-server.ts';

const ID = 'tests/collapse';
const MB = 1_000_000;
const SIZE = 200 * MB;
const EACH = 10 * MB;

/** The first is the one with the trouble. */
const EDGES = knownName('cdn.example', ['127.0.0.2', '127.0.0.1']);
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

test.skipIf(process.platform === 'darwin')(
  'an edge that starves us is left for another address of its host',
  async () => {
    await using hub = await startHub({
      repositories: [
        { id: ID, branches: { main: [xetFile('model.safetensors', generated('collapse', SIZE))] } },
      ],
    });
    await using good = await serveStarving(() => hub.cdnOrigin, { above: 64, each: EACH, trickle: EACH });
    await using bad = await serveStarving(() => hub.cdnOrigin, { above: 0, each: EACH, trickle: 20_000 });
    hub.settings.cdnBase = `http://cdn.example:${good.port}`;
    const sockets = new Set<Socket>();
    const edge = createServer((socket) => {
      const inner = connect(bad.port, '127.0.0.1');
      for (const [one, other] of [
        [socket, inner],
        [inner, socket],
      ] as const) {
        sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => edge.listen(good.port, '127.0.0.2', resolve));
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([ID], { env: EDGES });
    for (const socket of sockets) socket.destroy();
    edge.close();
    expect(run).toMatchObject({ exit: 0 });
    expect(await compareWithTruth(workspace.path('collapse'), await hub.truth(ID))).toEqual([]);
    expect(bad.most).toBeGreaterThan(4);
    expect(good.most).toBeGreaterThan(0);
    expect(run.tookMs).toBeLessThan(3 * (SIZE / (4 * EACH)) * 1000 + 15_000);
  },
);
