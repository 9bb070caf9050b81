import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { manyFiles } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';

const FILES = 2000;
const LATENCY_MS = 50;
const CONNECTIONS = 32;

test('2,000 files at 50 ms per request: the connections are used, the listing comes in pages, each file is resolved once', async () => {
  const repository = manyFiles(FILES);
  await using hub = await startHub({ repositories: [repository], latencyMs: LATENCY_MS });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([repository.id, '--connections', String(CONNECTIONS)]);
  expect(run.exit).toBe(0);
  expect(await compareWithTruth(workspace.path('many-files'), await hub.truth(repository.id))).toEqual([]);

  const requests = hub.log.entries.length;
  expect(hub.log.count({ kind: 'tree' })).toBe(2 + 1);
  expect(hub.log.count({ kind: 'resolve', method: 'HEAD' })).toBe(FILES);
  expect(hub.log.where({ kind: 'resolve' }).every(({ range }) => range === undefined)).toBe(true);
  // One for where it is and one for the bytes, of every file.
  expect(requests).toBeLessThanOrEqual(2 * FILES + 4);
  const allowed = (2 * requests * LATENCY_MS) / CONNECTIONS;
  console.log(`${requests} requests in ${Math.round(run.tookMs)} ms; allowed are ${allowed} ms`);
  // On a machine that is busy with other things, what it needs without any latency comes on top.
  const busy = run.tookMs <= allowed ? 0 : await timeWithoutLatency(hub, workspace, repository.id);
  if (busy > 0) console.warn(`this machine is busy: ${Math.round(busy)} ms without any latency`);
  expect(run.tookMs).toBeLessThanOrEqual(allowed + 2 * busy);
  // A log of such a run stays readable.
  const lines = run.stderr.split('\n').filter((line) => line.startsWith('fetch: '));
  expect(lines.length).toBeLessThan(20);

  hub.log.clear();
  expect(await workspace.run([repository.id, '--quiet'])).toMatchObject({ exit: 0, stderr: '' });
  expect(hub.log.entries.every(({ kind }) => kind === 'revision' || kind === 'tree')).toBe(true);
});

test('a connection that serves many requests makes Node print no warning of a leak', async () => {
  // More than are named in the main thread.
  const repository = manyFiles(90);
  await using hub = await startHub({ repositories: [repository] });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const run = await workspace.run([repository.id, '--connections', '1', '--quiet']);
  expect(run).toMatchObject({ exit: 0, stderr: '' });
});

async function timeWithoutLatency(hub: Hub, workspace: Workspace, id: string): Promise<number> {
  hub.settings.latencyMs = 0;
  const words = [id, '--connections', String(CONNECTIONS), '--local-dir', 'without-latency', '--quiet'];
  const { tookMs } = await workspace.run(words);
  hub.settings.latencyMs = LATENCY_MS;
  return tookMs;
}
