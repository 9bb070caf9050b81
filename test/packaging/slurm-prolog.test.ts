import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { lint } from '../support/linter.ts';
import { PROGRAM, Workspace } from '../support/run-program.ts';
import { startServing } from '../support/serving.ts';

const SCRIPT = join(import.meta.dirname, '../../examples/slurm-prolog.sh');
/** On the peer, and not there. */
const STAGED = 'tests/staged';
const OTHER = 'tests/other';
const REPOSITORIES = [STAGED, OTHER].map((id) => ({
  id,
  branches: { main: [gitFile(`${id}.json`, '{}\n'), xetFile(`${id}.bin`, generated(id, 3_000_000))] },
}));

test('shellcheck has nothing to say against the prolog', (context) => {
  const said = lint('shellcheck', [SCRIPT]);
  if (said === undefined) return context.skip('shellcheck is not installed');
  expect(said).toBe('');
});

test('the prolog brings the models from a peer and the rest from the hub, once for two jobs', async () => {
  await using hub = await startHub({ repositories: REPOSITORIES });
  await using stage = await Workspace.open({ endpoint: hub.origin });
  expect((await stage.run([STAGED, '--local-dir', 'staged'])).exit).toBe(0);
  await using served = await startServing(stage, ['staged']);
  hub.log.clear();
  const effect = { kind: 'status', status: 503 } as const;
  hub.faults.add({ on: ['resolve', 'cdn'], path: /staged/, times: 'always', effect });
  await using node = await Workspace.open({ endpoint: hub.origin });
  writeFileSync(
    node.path('models'),
    `# of this cluster\none ${STAGED}\n\nabsent tests/is-not-there\ntwo ${OTHER}@main\n`,
  );
  const env = {
    MODELS: node.path('models'),
    TARGET: node.path('scratch'),
    PEERS: served.url,
    FETCH: `${process.execPath} ${PROGRAM}`,
    SLURM_JOB_ID: '7',
  };
  const job = () => node.run([SCRIPT], { command: ['/bin/sh'], env });
  for (const { exit, stdout, stderr } of await Promise.all([job(), job()])) {
    expect([exit, stdout]).toEqual([0, '']);
    expect(stderr).toContain('prolog of job 7: tests/is-not-there is not complete (5)');
  }
  const truths = { one: await hub.truth(STAGED), two: await hub.truth(OTHER) };
  for (const [name, truth] of Object.entries(truths))
    expect(await compareWithTruth(node.path('scratch', name), truth)).toEqual([]);
  expect(hub.log.bytesSent({ kind: ['cdn', 'resolve-cache'] })).toBe(
    truths.two.reduce((sum, { size }) => sum + size, 0),
  );
});
