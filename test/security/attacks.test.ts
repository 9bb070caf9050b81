import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { bigFile } from '../support/hub/fixtures/odd.ts';
import { startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { serveTcp } from '../support/server.ts';

const ID = 'tests/big-file';
const TOKEN = 'hf_onlyForThisTest';

test('the token is in no file, whether the run ends well or is interrupted', async () => {
  await using hub = await startHub({
    repositories: [{ ...bigFile(12 << 20), private: true }],
    tokens: [{ token: TOKEN, user: 'test', access: 'all' }],
    bytesPerSecond: 4 << 20,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_TOKEN: TOKEN };
  const program = workspace.start([ID, '--verbose'], { env });
  await program.until('bytes have come', () => hub.log.bytesSent('cdn') > 1 << 20);
  program.kill('SIGKILL');
  await program.ended;
  expectNowhere(workspace.root);
  hub.settings.bytesPerSecond = undefined;
  expect(await workspace.run([ID, '--quiet'], { env })).toMatchObject({ exit: 0 });
  expectNowhere(workspace.root);
});

function expectNowhere(directory: string): void {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  expect(files.length).toBeGreaterThan(2);
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name);
    expect(readFileSync(path).includes(TOKEN), path).toBe(false);
  }
}

test('an unrequested answer, behind a real one on a kept connection, is never taken for the next', async () => {
  await using hub = await startHub({ repositories: [bigFile(24 << 20)] });
  const smuggled =
    'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nwrong';
  let sent = 0;
  await using front = await serveTcp((socket) => {
    const behind = connect(Number(new URL(hub.cdnOrigin).port), '127.0.0.1');
    let missing = 0;
    behind.on('data', (chunk) => {
      const head = missing === 0 ? chunk.indexOf('\r\n\r\n') + 4 : 0;
      if (missing === 0)
        missing = Number(/content-length: (\d+)/i.exec(chunk.toString('latin1', 0, head))?.[1]);
      missing -= chunk.length - head;
      socket.write(chunk);
      if (missing > 0) return;
      sent += 1;
      socket.write(smuggled);
    });
    socket.on('data', (chunk) => behind.write(chunk));
    for (const end of [socket, behind]) {
      end.on('error', () => {});
      end.on('close', () => {
        socket.destroy();
        behind.destroy();
      });
    }
  });
  hub.settings.cdnBase = front.origin;
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  expect(await workspace.run([ID, '--quiet', '--connections', '2'])).toMatchObject({ exit: 0 });
  expect(sent).toBeGreaterThan(0);
  expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
});
