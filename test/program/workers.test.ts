import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

/** More workers than a machine with two processors would use: as on one with many. */

const MIB = 1 << 20;
const ID = 'tests/many-workers';
const SHARDS = [1, 2, 3, 4, 5].map((shard) =>
  xetFile(`model-${shard}.bin`, generated(`many workers ${shard}`, 24 * MIB)),
);
const FILES = [...SHARDS, gitFile('config.json', '{}\n'), gitFile('LICENSE', 'mine\n')];
const FORCED = { FETCH_HASH_WORKERS: '4', FETCH_IO_WORKERS: '3' };

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({ repositories: [{ id: ID, branches: { main: FILES } }] });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const start = (...words: string[]) => workspace.start([ID, ...words], { env: FORCED });
const differences = async () => compareWithTruth(workspace.path('many-workers'), await hub.truth(ID));

test('four hash and three I/O workers bring every file, and no byte twice', async () => {
  const run = await start('--verbose').ended;
  expect(run.exit, run.stderr).toBe(0);
  for (const worker of [2, 3]) expect(run.stderr).toContain(`I/O worker ${worker} of 3 starts`);
  expect(await differences()).toEqual([]);
  expect(hub.log.bytesSent('cdn')).toBe(SHARDS.length * 24 * MIB);
});

test('one file alone is written by two of them', async () => {
  const run = await start('--include', 'model-1.bin', '--verbose').ended;
  expect(run.exit, run.stderr).toBe(0);
  expect(run.stderr).toContain('I/O worker 2 of 3 starts');
  expect(run.stderr).not.toContain('I/O worker 3 of 3 starts');
});

test('killed and resumed: what is on the disk is not fetched again', async () => {
  hub.settings.bytesPerSecond = 2 * MIB;
  const killed = start('--quiet');
  await killed.until('a part of each is there', () => hub.log.bytesSent('cdn') > 60 * MIB);
  killed.kill('SIGKILL');
  await killed.ended;
  for (const { path } of SHARDS) expect(existsSync(workspace.path('many-workers', path)) && path).toBe(false);
  hub.settings.bytesPerSecond = undefined;
  const run = await start('--json').ended;
  expect(run.exit, run.stderr).toBe(0);
  const done = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '');
  expect(done).toMatchObject({ event: 'done' });
  expect(done.fetched).toBeLessThan(SHARDS.length * 24 * MIB);
  expect(await differences()).toEqual([]);
});

test('a wrong byte is found, and the file fetched again', async () => {
  hub.faults.add({ on: 'cdn', path: 'model-3.bin', effect: { kind: 'flip', offset: 5000 } });
  const run = await start().ended;
  expect(run.exit, run.stderr).toBe(0);
  expect(run.stderr).toContain('the hash of model-3.bin is wrong');
  expect(await differences()).toEqual([]);
});

test('a number that is none is refused', async () => {
  for (const wrong of ['0', 'many', '65', '1.5']) {
    const run = await workspace.run([ID], { env: { FETCH_IO_WORKERS: wrong } });
    expect(run).toMatchObject({ exit: 2, stdout: '' });
    expect(run.stderr).toContain('FETCH_IO_WORKERS');
  }
});
