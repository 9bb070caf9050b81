import { afterEach, beforeEach, expect, test } from 'vitest';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { bigFile } from '../../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { slackMs } from '../../support/machine.ts';
import { type RunningProgram, Workspace } from '../../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/big-file';
const SIZE = 512 * MIB;
const CONNECTIONS = 8;
/** Per connection: all of them together take some seconds, so that there is something to kill. */
const BYTES_PER_SECOND = 24 * MIB;

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({ repositories: [bigFile(SIZE)], bytesPerSecond: BYTES_PER_SECOND });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

/** Runs until the hub has sent so many bytes more. */
async function startAndCarry(bytes: number): Promise<RunningProgram> {
  const before = hub.log.bytesSent('cdn');
  const program = workspace.start([ID, '--connections', String(CONNECTIONS), '--quiet']);
  await program.until(`${bytes} bytes were sent`, () => hub.log.bytesSent('cdn') - before >= bytes);
  return program;
}

// kill -9: kill-twenty.test.ts.

test('Ctrl-C: exit 130 within two seconds, and the last line says that the same command resumes', async () => {
  const program = await startAndCarry(64 * MIB);
  const asked = performance.now();
  program.kill('SIGINT');
  const run = await program.ended;
  const took = performance.now() - asked;
  console.log(`Ctrl-C: ended after ${Math.round(took)} ms`);
  expect(took).toBeLessThan(2000 + slackMs());
  expect(run).toMatchObject({ exit: 130, stdout: '' });
  expect(run.stderr).toMatch(
    /^fetch: interrupted by SIGINT; [\d.]+ MB of 537 MB kept \(1 of 2 files complete\); run the same command again to resume\n$/,
  );
  expect(workspace.has('big-file', 'model.bin')).toBe(false);

  // Kept is what was said to be, but for the block of each connection that was not full yet.
  const kept = Number(/([\d.]+) MB of/.exec(run.stderr)?.[1]) * 1e6;
  const plan = await workspace.run([ID, '--dry-run', '--json']);
  const { totals } = JSON.parse(plan.stdout) as { totals: { held: number } };
  expect(totals.held).toBeGreaterThanOrEqual(kept - CONNECTIONS * MIB - 1e6);

  hub.settings.bytesPerSecond = undefined;
  expect(await workspace.run([ID])).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
});

test('SIGTERM: exit 143', async () => {
  const program = await startAndCarry(16 * MIB);
  const asked = performance.now();
  program.kill('SIGTERM');
  const run = await program.ended;
  expect(performance.now() - asked).toBeLessThan(2000 + slackMs());
  expect(run).toMatchObject({ exit: 143, stdout: '' });
  expect(run.stderr).toContain('interrupted by SIGTERM');
});

test('with --json the last line tells of the interruption', async () => {
  const program = workspace.start([ID, '--json']);
  await program.until('there is a plan', () => program.stdout.includes('"planned"'));
  program.kill('SIGINT');
  const { stdout, exit } = await program.ended;
  expect(exit).toBe(130);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    event: 'error',
    code: 'ABORTED',
    exit: 130,
  });
});

test('Ctrl-C while the hub keeps us waiting', async () => {
  for (const on of ['revision', 'tree', 'resolve', 'cdn'] as const) {
    hub.faults.clear();
    hub.faults.add({ on, times: 'always', effect: { kind: 'stall', at: 'before-head' } });
    hub.log.clear();
    const program = workspace.start([ID]);
    await program.until(`${on} was asked for`, () => hub.log.count({ kind: on }) > 0);
    const asked = performance.now();
    program.kill('SIGINT');
    expect((await program.ended).exit).toBe(130);
    expect(performance.now() - asked).toBeLessThan(2000 + slackMs());
  }
});

test('Ctrl-C while we wait before another try', async () => {
  hub.faults.add({
    on: 'tree',
    times: 'always',
    effect: { kind: 'rate-limited', seconds: 100, tell: 'retry-after-seconds' },
  });
  const program = workspace.start([ID]);
  await program.until('it waits', () => program.stderr.includes('waiting'));
  program.kill('SIGINT');
  const run = await program.ended;
  expect(run.exit).toBe(130);
  expect(run.stderr).toContain('nothing was fetched yet');
});

test('the second signal ends the process at once', async () => {
  const program = await startAndCarry(16 * MIB);
  program.kill('SIGINT');
  program.kill('SIGTERM');
  const run = await program.ended;
  expect([130, 143]).toContain(run.exit);
  hub.settings.bytesPerSecond = undefined;
  expect(await workspace.run([ID, '--quiet'])).toMatchObject({ exit: 0 });
  expect(await compareWithTruth(workspace.path('big-file'), await hub.truth(ID))).toEqual([]);
});
