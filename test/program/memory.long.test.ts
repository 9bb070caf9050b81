import { existsSync } from 'node:fs';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { bigFile } from '../support/hub/fixtures/odd.ts';
import { startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const GB = 1_000_000_000;
const SIZE = 4 * GB;
const ID = 'tests/big-file';

const hasProc = existsSync('/proc/self/status');
if (!hasProc) console.warn('SKIPPED: the memory of a process is not measured here: there is no /proc');

test.skipIf(!hasProc)(
  '4 GB at 16 connections: the process tree stays below 150 MB',
  async () => {
    await using hub = await startHub({ repositories: [bigFile(SIZE)] });
    await using workspace = await Workspace.open({ endpoint: hub.origin, below: await roomFor(SIZE) });
    const program = workspace.start([ID, '--connections', '16', '--quiet']);
    let peak = 0;
    const sampling = setInterval(() => {
      void treeMemory(program.pid).then((bytes) => {
        peak = Math.max(peak, bytes);
      });
    }, 50);
    const run = await program.ended;
    clearInterval(sampling);
    expect(run.exit).toBe(0);
    console.log(`4 GB in ${(run.tookMs / 1000).toFixed(1)} s, peak memory ${(peak / 1e6).toFixed(1)} MB`);
    expect(peak).toBeGreaterThan(10_000_000);
    expect(peak).toBeLessThan(150_000_000);
    // Exit 0 means that the hash of all of it was right; the manifest says which one it was.
    const manifest = JSON.parse(
      await readFile(workspace.path('big-file/.cache/fetch/manifest.json'), 'utf8'),
    );
    const truth = await hub.truth(ID);
    expect(
      manifest.files.map(({ path, sha256 }: { path: string; sha256: string }) => [path, sha256]),
    ).toEqual(truth.map(({ path, sha256 }) => [path, sha256]));
  },
  120_000,
);

/** Memory, if it is large enough: there the disk does not slow the test down. */
async function roomFor(bytes: number): Promise<string> {
  const room = await statfs('/dev/shm').catch(() => undefined);
  return room !== undefined && room.bavail * room.bsize > 1.5 * bytes ? '/dev/shm' : tmpdir();
}

/** Sum of the peaks of a process and of all that it started; 0 when it has ended. */
async function treeMemory(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const own = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    const tasks = await readdir(`/proc/${pid}/task`);
    const lists = await Promise.all(
      tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
    );
    const children = lists.flatMap((list) => list.split(' ').filter(Boolean)).map(Number);
    const below = await Promise.all(children.map(treeMemory));
    return below.reduce((sum, bytes) => sum + bytes, own);
  } catch {
    return 0;
  }
}
