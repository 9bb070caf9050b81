import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BLOCK_BYTES } from '../../src/model/flat-ranges.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import type { Effect } from '../support/hub/faults/effect.ts';
import { startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { ContentStore } from '../support/xet/content-store.ts';
import { random } from '../support/xet/contents.ts';
import { pack } from '../support/xet/pack.ts';

const MIB = 1 << 20;
const ID = 'tests/resume';
const PATH = 'model.bin';
const CONTENT = random(7, 48 * MIB);
const KILLS = 3;
const CONNECTIONS = 4;

async function world(bytesPerSecond: number | undefined, connections = CONNECTIONS) {
  const store = await ContentStore.start({ bytesPerSecond });
  const file = await pack(store, CONTENT, { scheme: 'none' });
  const hub = await startHub({
    repositories: [{ id: ID, branches: { main: [file.file(PATH)] } }],
    contentStore: store,
  });
  const workspace = await Workspace.open({ endpoint: hub.origin });
  const words = [ID, '--local-dir', 'model', '--connections', String(connections)];
  return {
    store,
    hub,
    workspace,
    words,
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

test('a run that is killed goes on with the chunks that it has', async () => {
  await using one = await world(4 * MIB);
  const { store, hub, workspace, words } = one;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const running = workspace.start([...words, '--protocol', 'xet']);
    const wanted = (kill * CONTENT.length) / (KILLS + 1);
    await running.until('enough has come', () => store.log.bytesSent('xorbs') >= wanted);
    running.kill('SIGKILL');
    await running.ended;
  }
  store.settings.bytesPerSecond = undefined;
  const run = await workspace.run([...words, '--protocol', 'xet']);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('model'), await hub.truth(ID))).toEqual([]);
  const twice = store.log.bytesSent('xorbs') - CONTENT.length;
  // What the server had sent and the program had not read is in sockets: it counts as well.
  expect(twice).toBeLessThan((KILLS * CONNECTIONS + 2) * 2 * MIB);
});

test('a file that comes as chunks comes once: the edges of its parts cost less than a hundredth', async () => {
  await using one = await world(undefined);
  const { store, hub, workspace, words } = one;
  const run = await workspace.run([...words, '--protocol', 'xet', '--verbose']);
  expect(run.exit, run.stderr).toBe(0);
  // To unpack chunks is work for two, also on a machine where one worker receives whatever comes over plain HTTP.
  if (availableParallelism() > 1) expect(run.stderr).toMatch(/I\/O worker 2 of \d starts/);
  expect(await compareWithTruth(workspace.path('model'), await hub.truth(ID))).toEqual([]);
  const sent = store.log.bytesSent('xorbs');
  expect(sent).toBeGreaterThan(CONTENT.length);
  expect(sent).toBeLessThan(CONTENT.length * 1.01);
});

/** Bytes that the journal of the part has: one mark for each block, at its end. */
function heldIn(workspace: Workspace): number {
  const directory = workspace.path('model/.cache/fetch/parts');
  const name = readdirSync(directory).find((one) => one.endsWith('.blocks'));
  if (name === undefined) return 0;
  const marks = readFileSync(join(directory, name)).subarray(-CONTENT.length / BLOCK_BYTES);
  return marks.filter((mark) => mark > 0).length * BLOCK_BYTES;
}

test.each([
  ['xet', 'http'],
  ['http', 'xet'],
])('what %s has fetched %s keeps', async (first, second) => {
  await using one = await world(undefined, 1);
  const { store, hub, workspace, words } = one;
  // The connection gets so much and then nothing: at the kill nothing is in a socket, however busy the machine is.
  const stall: Effect = { kind: 'stall', at: 5 * MIB };
  store.faults.add({ on: 'xorb', times: 'always', effect: stall });
  hub.faults.add({ on: 'cdn', times: 'always', effect: stall });
  const sent = () => store.log.bytesSent('xorbs') + hub.log.bytesSent('cdn');
  const most = 5 * MIB;
  const running = workspace.start([...words, '--stall-timeout', '600', '--protocol', first]);
  await running.until('all has come', () => sent() >= most);
  // A block of the journal, and a chunk.
  const unfinished = MIB / 2;
  await running.until('it is in the journal', () => heldIn(workspace) >= most - unfinished);
  running.kill('SIGKILL');
  await running.ended;
  store.faults.clear();
  hub.faults.clear();
  const run = await workspace.run([...words, '--protocol', second]);
  expect(run.exit, run.stderr).toBe(0);
  expect(await compareWithTruth(workspace.path('model'), await hub.truth(ID))).toEqual([]);
  // The second run has edges of parts of its own.
  expect(sent() - CONTENT.length).toBeLessThan(unfinished + 2 * MIB);
});
