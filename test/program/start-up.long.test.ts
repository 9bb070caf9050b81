import { mkdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import type { HubSettings } from '../support/hub/settings.ts';
import type { RequestKind } from '../support/hub/wire/exchange.ts';
import { Workspace } from '../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/start-up';
/** The listing takes longer than anything else. */
const LATE_MS = 3000;

async function open(settings: Partial<HubSettings> = {}): Promise<Hub> {
  return await startHub({
    ...settings,
    repositories: [
      {
        id: ID,
        branches: {
          main: [
            gitFile('config.json', '{}\n'),
            xetFile('sub/model.safetensors', generated('start', 9 * MIB)),
          ],
        },
      },
    ],
    faults: [
      { on: 'tree', times: 'always', effect: { kind: 'delay', ms: LATE_MS } },
      // Whatever begins together is not one after the other.
      {
        on: ['resolve', 'cdn', 'resolve-cache'],
        times: 'always',
        effect: { kind: 'delay', ms: LATE_MS / 3 },
      },
    ],
  });
}

/** When the first request of a kind came, and when its answer was complete. */
function times(hub: Hub, kind: RequestKind): { startedAt: number; endedAt: number } {
  const [first] = hub.log.where({ kind });
  if (first === undefined) throw new Error(`no request: ${kind}`);
  return { startedAt: first.startedAt, endedAt: first.startedAt + (first.tookMs ?? Number.NaN) };
}

/** The most requests each of which began when the one before had been answered, the parts of one file counted once. */
function waitsInARow(hub: Hub): number {
  const first = new Map(hub.log.entries.toReversed().map((entry) => [`${entry.kind} ${entry.path}`, entry]));
  const waits: { readonly endedAt: number; readonly inARow: number }[] = [];
  for (const { startedAt, tookMs = 0 } of [...first.values()].sort((a, b) => a.startedAt - b.startedAt)) {
    const before = waits.filter(({ endedAt }) => endedAt <= startedAt).map(({ inARow }) => inARow);
    waits.push({ endedAt: startedAt + tookMs, inARow: 1 + Math.max(0, ...before) });
  }
  return Math.max(...waits.map(({ inARow }) => inARow));
}

describe('where a file is', () => {
  test('is asked for while the listing is on its way, if it was named', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID, 'sub/model.safetensors'])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeLessThan(times(hub, 'tree').endedAt);
    expect(hub.log.count({ kind: 'resolve' })).toBe(1);
  });

  test('is asked for while the listing is on its way where all of a repository is wanted', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeLessThan(times(hub, 'tree').endedAt);
    const asked = hub.log.where({ kind: 'resolve' }).map(({ path }) => path);
    expect(asked).toEqual(['sub/model.safetensors', 'config.json']);
  });

  test('is asked for as early in a directory that is there and empty', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    await mkdir(workspace.path('empty'));
    expect((await workspace.run([ID, '--local-dir', 'empty'])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeLessThan(times(hub, 'tree').endedAt);
  });

  test('is asked for as early where a central cache lacks the repository', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    await mkdir(workspace.path('cache', 'models--other--one'), { recursive: true });
    expect((await workspace.run([ID, '--cache-dir', 'cache'])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeLessThan(times(hub, 'tree').endedAt);
  });

  test('is asked for after the listing where the hub names no files before', async () => {
    await using hub = await open({ siblings: 'none' });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeGreaterThanOrEqual(times(hub, 'tree').endedAt);
  });

  test('costs no more than three waits in a row: revision, listing beside addresses, bytes', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(waitsInARow(hub)).toBe(3);
  });

  test('is no question for patterns, directories and files that are not there', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    for (const name of ['sub', '*.json', 'sub/none.bin']) {
      await using other = await Workspace.open({ endpoint: hub.origin });
      await other.run([ID, name]);
    }
    const asked = hub.log.where({ kind: 'resolve' }).map(({ path }) => path);
    expect(asked.toSorted()).toEqual(['config.json', 'sub/model.safetensors', 'sub/none.bin']);
    expect((await workspace.run([ID, 'sub/none.bin'])).exit).toBe(4);
  });
});
