import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { xetFile } from '../support/hub/repositories/file.ts';
import { knownName } from '../support/known-names.ts';
import { Workspace } from '../support/run-program.ts';

const ID = 'tests/addresses';
const SIZE = 40_000_000;

/** The first is the one with the trouble. */
const EDGES = knownName('cdn.example', ['127.0.0.2', '127.0.0.1']);
test.skipIf(process.platform === 'darwin')(
  'an edge that answers 206 without a byte is left for another address of the host',
  async () => {
    await using hub = await startHub({
      repositories: [
        { id: ID, branches: { main: [xetFile('model.safetensors', generated('addresses', SIZE))] } },
      ],
    });
    const { port } = new URL(hub.cdnOrigin);
    hub.settings.cdnBase = `http://cdn.example:${port}`;
    const sockets = new Set<Socket>();
    let asked = 0;
    const edge = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', (request) => {
        asked += 1;
        const [, first, last] = /range: bytes=(\d+)-(\d+)/i.exec(String(request)) ?? [];
        const length = Number(last) - Number(first) + 1;
        const head = `content-range: bytes ${first}-${last}/${SIZE}\r\ncontent-length: ${length}`;
        socket.end(`HTTP/1.1 206 Partial Content\r\n${head}\r\n\r\n`);
      });
    });
    await new Promise<void>((resolve) => edge.listen(Number(port), '127.0.0.2', resolve));
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([ID], { env: EDGES });
    for (const socket of sockets) socket.destroy();
    edge.close();
    expect(run).toMatchObject({ exit: 0 });
    expect(run.stderr).toMatch(/cdn\.example:\d+ \(at 127\.0\.0\.2\) answered 206 without a byte/);
    expect(await compareWithTruth(workspace.path('addresses'), await hub.truth(ID))).toEqual([]);
    // Every connection that was on its way when the first failed, and no other.
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(32);
  },
);
