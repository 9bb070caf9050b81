import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile, xetFile } from '../../support/hub/repositories/file.ts';
import { type Run, Workspace } from '../../support/run-program.ts';

/** Runs that share the central cache on a file system whose locks always succeed, and so mean nothing. */

const MIB = 1 << 20;
const ID = 'tests/blind';
const SHARED = xetFile('model.bin', generated('blind shared', 12 * MIB));
const BRANCHES = {
  main: [gitFile('config.json', '{"branch": "main"}\n'), SHARED],
  other: [
    gitFile('config.json', '{"branch": "other"}\n'),
    SHARED,
    xetFile('more.bin', generated('blind more', 3 * MIB)),
  ],
};

let hub: Hub;
let workspace: Workspace;
let cache: string;

beforeEach(async () => {
  hub = await startHub({ repositories: [{ id: ID, branches: BRANCHES }], bytesPerSecond: MIB / 4 });
  workspace = await Workspace.open({ endpoint: hub.origin });
  cache = workspace.path('cache');
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const start = (revision: string) =>
  workspace.start([ID, '--cache', '--revision', revision, '--quiet'], { env: { HF_HUB_CACHE: cache } });

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
  } catch {
    return [];
  }
}

/** As if every attempt to take the lock succeeded: what another run has put there is gone. Returns how often it was. */
function unlock(): number {
  const locks = filesBelow(cache).filter((path) => /[/\\]lock$/.test(path));
  for (const path of locks) rmSync(path, { force: true });
  return locks.length;
}

/** Blobs that do not have the hash that they are called by. */
function wrongBlobs(): string[] {
  return filesBelow(join(cache, 'models--tests--blind/blobs')).filter((path) => {
    const content = readFileSync(path);
    const name = path.slice(-64);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
    return name !== sha256 && !path.endsWith(`/${blob}`);
  });
}

/** Both to their ends, without a lock that holds; at no moment has a wrong blob its name. */
async function bothBlind(revisions: readonly [string, string]): Promise<readonly Run[]> {
  let unlocked = 0;
  const wrong: string[] = [];
  const first = start(revisions[0]);
  const ticking = setInterval(() => {
    unlocked += unlock();
  }, 2);
  const watching = setInterval(() => wrong.push(...wrongBlobs()), 50);
  try {
    await first.until('some is there', () => unlocked > 0 && hub.log.bytesSent('cdn') > MIB);
    // A write into the part of the other run would now be wrong.
    hub.faults.add({ on: 'cdn', times: 3, effect: { kind: 'shifted-bytes', shift: 4096 } });
    const before = unlocked;
    const second = start(revisions[1]);
    // Both are slow until the lock of the second is gone as well: then they work beside each other.
    await second.until('its lock is gone', () => unlocked > before, 60_000);
    hub.settings.bytesPerSecond = 6 * MIB;
    return await Promise.all([first.ended, second.ended]);
  } finally {
    clearInterval(ticking);
    clearInterval(watching);
    expect([...wrong, ...wrongBlobs()]).toEqual([]);
  }
}

/** The same command once more, which finds or brings what is missing; then every byte is compared. */
async function expectWhole(revision: keyof typeof BRANCHES): Promise<void> {
  hub.faults.clear();
  hub.settings.bytesPerSecond = undefined;
  const { exit, stdout } = await start(revision).ended;
  expect(exit).toBe(0);
  const snapshot = stdout.trim();
  const names = readdirSync(snapshot).toSorted();
  const truth = await hub.truth(ID, revision);
  expect(names).toEqual(truth.map(({ path }) => path).toSorted());
  for (const file of truth) {
    expect(lstatSync(join(snapshot, file.path)).isSymbolicLink()).toBe(process.platform !== 'win32');
    expect(readFileSync(join(snapshot, file.path)).equals(await file.bytes()), file.path).toBe(true);
  }
}

test('two runs of one revision: both are right, or one of them ends with a name', async () => {
  for (const { exit, stderr } of await bothBlind(['main', 'main'])) expect([0, 8], stderr).toContain(exit);
  await expectWhole('main');
});

test('runs of two revisions that have a file in common', async () => {
  for (const { exit, stderr } of await bothBlind(['main', 'other'])) expect([0, 8], stderr).toContain(exit);
  await expectWhole('main');
  await expectWhole('other');
});
