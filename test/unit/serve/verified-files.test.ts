import { expect, test } from 'vitest';
import { seldom } from '../../../src/serve/seldom.ts';
import { type CheckFile, VerifiedFiles } from '../../../src/serve/verified-files.ts';
import type { HeldRevision } from '../../../src/store/held-revision.ts';

const FILE = { path: 'a', size: 1, digest: { algorithm: 'sha256', hex: 'a'.repeat(64) } } as const;
const REVISION: HeldRevision = {
  repo: { type: 'model', id: 'owner/name' },
  names: ['main'],
  commit: 'a'.repeat(40),
  recordedMs: 1,
  files: new Map([[FILE.path, FILE]]),
  look: () => ({ path: '/a', size: 1, stamp: 'copied', verified: false }),
};

/** What is found in turn, with a moment in between for the check. */
async function found(check: CheckFile, times: number): Promise<{ kinds: string[]; told: string[] }> {
  const told: string[] = [];
  const files = new VerifiedFiles(check, (message) => told.push(message), new AbortController().signal);
  const kinds: string[] = [];
  for (let time = 0; time < times; time += 1) {
    kinds.push(files.find(REVISION, FILE).kind);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { kinds, told };
}

const failure = (code: string) => new Error('no', { cause: Object.assign(new Error(code), { code }) });

test('a file that could not be hashed for want of a descriptor is hashed at the next request', async () => {
  let tries = 0;
  const check = () => (tries++ < 2 ? Promise.reject(failure('EMFILE')) : Promise.resolve(true));
  expect(await found(check, 4)).toEqual({
    kinds: ['checking', 'checking', 'checking', 'verified'],
    told: [],
  });
});

test('a file that cannot be read is looked at once, and told once', async () => {
  const { kinds, told } = await found(() => Promise.reject(failure('EIO')), 3);
  expect(kinds).toEqual(['checking', 'absent', 'absent']);
  expect(told).toEqual(['/a cannot be read and is not served: no']);
});

test('the same sentence is told now and then', () => {
  let now = 0;
  const told: string[] = [];
  const tell = seldom((message) => told.push(`${now} ${message}`), { monotonic: () => now });
  for (; now < 21_000; now += 1000) {
    tell('one');
    if (now === 5000) tell('two');
  }
  expect(told).toEqual(['0 one', '5000 two', '10000 one', '20000 one']);
});
