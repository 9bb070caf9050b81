import { describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import type { RequestKind } from '../support/hub/wire/exchange.ts';
import { Workspace } from '../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/start-up';
/** The listing takes longer than anything else. */
const LATE_MS = 3000;

async function open(): Promise<Hub> {
  return await startHub({
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
    faults: [{ on: 'tree', times: 'always', effect: { kind: 'delay', ms: LATE_MS } }],
  });
}

/** When the first request of a kind came, and when its answer was complete. */
function times(hub: Hub, kind: RequestKind): { startedAt: number; endedAt: number } {
  const [first] = hub.log.where({ kind });
  if (first === undefined) throw new Error(`no request: ${kind}`);
  return { startedAt: first.startedAt, endedAt: first.startedAt + (first.tookMs ?? Number.NaN) };
}

describe('where a file is', () => {
  test('is asked for while the listing is on its way, if it was named', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID, 'sub/model.safetensors'])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeLessThan(times(hub, 'tree').endedAt);
    expect(hub.log.count({ kind: 'resolve' })).toBe(1);
  });

  test('is asked for only then where all of a repository is wanted', async () => {
    await using hub = await open();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(times(hub, 'resolve').startedAt).toBeGreaterThanOrEqual(times(hub, 'tree').endedAt);
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
