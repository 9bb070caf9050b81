import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { manyFiles } from '../../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { Workspace } from '../../support/run-program.ts';

/** So many small files that a worker names most of them. */
const FILES = 400;
const ID = 'tests/many-files';

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({ repositories: [manyFiles(FILES)], latencyMs: 20 });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

/** What stands under a final name with another content than it must have. Files that are missing are none of it. */
async function wrongFiles(): Promise<string[]> {
  const differences = await compareWithTruth(workspace.path('many-files'), await hub.truth(ID));
  return differences
    .map(({ path }) => path)
    .filter((path) => existsSync(workspace.path('many-files', path)) && !path.startsWith('.cache/'));
}

const sent = () => hub.log.count({ kind: 'raw' }) + hub.log.count({ kind: ['cdn', 'resolve-cache'] });

test('kill -9 at any moment: each name stands for its whole content, and the same command brings the rest', async () => {
  for (const files of [80, 90, 120, 150]) {
    const before = sent();
    const program = workspace.start([ID, '--connections', '16', '--quiet']);
    await program.until(`${files} more are sent`, () => sent() - before >= files || program.hasEnded);
    program.kill('SIGKILL');
    await program.ended;
    expect(await wrongFiles()).toEqual([]);
  }
  expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('many-files'), await hub.truth(ID))).toEqual([]);
  expect(readdirSync(workspace.path('many-files/.cache/fetch/parts'))).toEqual([]);
});

test('wrong bytes in the hundredth file and later: none of them gets its name before it is right', async () => {
  const wrong = [100, 200, 300].map((index) => {
    const name = String(index).padStart(5, '0');
    return `part-${index % 7}/of-${index % 13}/file-${name}.bin`;
  });
  for (const path of wrong) {
    hub.faults.add({
      on: ['cdn', 'resolve-cache', 'raw'],
      path,
      times: 1,
      effect: { kind: 'flip', offset: 10 },
    });
  }
  const run = await workspace.run([ID]);
  expect(run.exit, run.stderr).toBe(0);
  for (const path of wrong) expect(run.stderr).toContain(`the hash of ${path} is wrong`);
  expect(await compareWithTruth(workspace.path('many-files'), await hub.truth(ID))).toEqual([]);
});
