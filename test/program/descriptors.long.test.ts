import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { PROGRAM, Workspace } from '../support/run-program.ts';

const ID = 'tests/descriptors';
const canLimit = spawnSync('prlimit', ['--version']).status === 0;

describe.skipIf(!canLimit)('few descriptors', () => {
  // What each limit means: unit/transfer/scheduling/descriptors.test.ts.
  test.each([
    [64, []],
    [1024, ['--connections', '256']],
  ])('a limit of %d, words %j: fewer connections, and all files', async (limit, words) => {
    const files = [
      xetFile('model.safetensors', generated('descriptors', 60_000_000)),
      gitFile('empty.txt', ''),
      ...Array.from({ length: 300 }, (_, index) =>
        index % 3 === 0
          ? lfsFile(`data/large-${index}.bin`, generated(`large ${index}`, 1_600_000))
          : lfsFile(`data/${index}.bin`, generated(`small ${index}`, 20_000)),
      ),
    ];
    await using hub = await startHub({ repositories: [{ id: ID, branches: { main: files } }] });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const command = ['prlimit', `--nofile=${limit}`, process.execPath, PROGRAM];
    const run = await workspace.run([ID, ...words], { command });
    expect(run).toMatchObject({ exit: 0 });
    expect(await compareWithTruth(workspace.path('descriptors'), await hub.truth(ID))).toEqual([]);
  });

  test('in the middle of a run: connections wait for what others give back', async () => {
    const files = Array.from({ length: 60 }, (_, index) =>
      xetFile(`data/${index}.bin`, generated(`midway ${index}`, 9_000_000)),
    );
    await using hub = await startHub({
      repositories: [{ id: ID, branches: { main: files } }],
      bytesPerSecond: 20_000_000,
    });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const program = workspace.start([ID, '--verbose']);
    await program.until('files are open', () => hub.log.where({ kind: 'cdn' }).length >= 40);
    const open = readdirSync(`/proc/${program.pid}/fd`).length;
    // Far below what is in use: the first files to end have no descriptor for their records either.
    execFileSync('prlimit', ['--pid', `${program.pid}`, `--nofile=${open - 60}`]);
    const run = await program.ended;
    expect(run).toMatchObject({ exit: 0 });
    expect(await compareWithTruth(workspace.path('descriptors'), await hub.truth(ID))).toEqual([]);
  });
});
