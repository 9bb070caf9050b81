import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { allDone, Fleet } from '../support/fleet.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { lfsFile } from '../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../support/hub/repositories/repository.ts';
import { jsonLines, Workspace } from '../support/run-program.ts';
import { SMALL_FILES, startServing } from '../support/serving.ts';

const MIB = 1 << 20;
const ID = 'tests/relay';
const REPOSITORY: RepositoryDescription = {
  id: ID,
  branches: {
    main: [
      ...SMALL_FILES,
      lfsFile('tokenizer.model', generated('relay tokenizer', 300_001)),
      lfsFile('small.bin', generated('relay small', 2 * MIB)),
      lfsFile('model.safetensors', generated('relay', 24 * MIB + 12_345)),
    ],
  },
};
const BYTES_PER_SECOND = 4_000_000;

/** How often machines that fetch at the same time took each byte from the hub, and what each got from others. */
async function fetchTogether(
  count: number,
  fromOf: (node: number) => readonly number[],
): Promise<{ readonly ratio: number; readonly ofPeers: readonly number[] }> {
  await using fleet = await Fleet.start(count, REPOSITORY, BYTES_PER_SECOND);
  const runs = await allDone(
    fleet.nodes.map((_node, number) => fleet.fetch(number, fromOf(number), ['--json'])),
  );
  for (const number of fleet.nodes.keys()) expect(await fleet.amiss(number)).toEqual([]);
  const size = await fleet.size;
  const ofPeers = runs.map(({ stdout }) => Number(jsonLines(stdout).at(-1)!['peers'] ?? 0));
  return { ratio: ofPeers.reduce((sum, bytes) => sum + size - bytes, 0) / size, ofPeers };
}

/**
 * What it is without a relay, for four. The exact bound is that of the simulation, in relay.test.ts of the scheduling: here a
 * busy machine makes reports late, and what two runs begin before they know of each other comes twice.
 */
const WITHOUT_RELAY = 4;

describe('machines that fetch the same revision at the same time', () => {
  test('four that name each other', async () => {
    const { ratio, ofPeers } = await fetchTogether(4, (node) =>
      [0, 1, 2, 3].filter((other) => other !== node),
    );
    expect(ratio).toBeLessThan(WITHOUT_RELAY);
    expect(Math.min(...ofPeers)).toBeGreaterThan(0);
  });

  test('four in a line', async () => {
    const { ratio, ofPeers } = await fetchTogether(4, (node) => (node === 0 ? [] : [node - 1]));
    expect(ratio).toBeLessThan(WITHOUT_RELAY);
    expect(Math.min(...ofPeers.slice(1))).toBeGreaterThan(0);
  });
});

describe('a run whose directory is served while it fetches', () => {
  test('hands on what it has, also after kill -9, and its own next run takes it up', async () => {
    await using hub = await startHub({ repositories: [REPOSITORY], bytesPerSecond: 500_000 });
    await using head = await Workspace.open({ endpoint: hub.origin });
    const words = [ID, '--local-dir', 'model', '--connections', '4'];
    const killed = head.start(words);
    await killed.until('it works on the directory', () =>
      head.has('model', '.cache', 'fetch', 'transfer.json'),
    );
    await using served = await startServing(head, ['model']);
    const { commit } = JSON.parse(
      await readFile(head.path('model', '.cache', 'fetch', 'transfer.json'), 'utf8'),
    );
    const status = `${served.url}/api/models/${ID}/partial/${commit}`;
    let written = 0;
    await killed.until('a block is written', () => {
      void fetch(status)
        .then(async (answer) => (await answer.text()).match(/"model.safetensors",\[0,(\d+)/)?.[1])
        .then((end) => {
          written = Number(end ?? 0);
        });
      return written > 0;
    });
    killed.kill('SIGKILL');
    await killed.ended;
    // Ordinary clients see nothing of it.
    expect((await fetch(`${served.url}/api/models/${ID}`)).status).toBe(404);
    expect((await fetch(`${served.url}/${ID}/resolve/main/model.safetensors`)).status).toBe(404);
    await using other = await Workspace.open({ endpoint: hub.origin });
    // It knows what its run wants, not what the revision has.
    const alone = await other.run([ID, '--local-dir', 'model', '--offline', '--from', served.url]);
    expect(alone.exit).toBe(4);
    expect(alone.stderr).toContain('one that is still fetching cannot say what a revision is');
    const run = await other.run([ID, '--local-dir', 'model', '--json', '--from', served.url]);
    expect(run.exit, run.stderr).toBe(0);
    expect(await compareWithTruth(other.path('model'), await hub.truth(ID))).toEqual([]);
    expect(jsonLines(run.stdout).at(-1)!['peers']).toBeGreaterThanOrEqual(written);
    const again = await head.run(words);
    expect(again.exit, again.stderr).toBe(0);
    expect(await compareWithTruth(head.path('model'), await hub.truth(ID))).toEqual([]);
    expect(head.has('model', '.cache', 'fetch', 'transfer.json')).toBe(false);
  });
});
