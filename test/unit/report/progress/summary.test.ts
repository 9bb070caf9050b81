import { expect, test } from 'vitest';
import {
  interruptedSummary,
  type RunFacts,
  runFacts,
  successSummary,
} from '../../../../src/report/progress/summary.ts';
import { Tally } from '../../../../src/report/progress/tally.ts';
import { planned, planOf } from '../records.ts';

const FACTS: RunFacts = {
  files: 10,
  bytes: 8_170_000_000,
  keptFiles: 3,
  repairedFiles: 0,
  doneBytes: 8_170_000_000,
  fetchedBytes: 6_970_000_000,
  finishedFiles: 10,
  retries: 0,
  elapsedMs: 62_000,
};

test.each<[Partial<RunFacts>, string]>([
  [{}, '10 files, 8.17 GB, all verified; fetched 6.97 GB in 1m 02s (112 MB/s); 3 files were already here'],
  [
    { keptFiles: 1, repairedFiles: 1, retries: 1 },
    '10 files, 8.17 GB, all verified; fetched 6.97 GB in 1m 02s (112 MB/s); 1 file was already here; 1 file repaired; 1 retry',
  ],
  [{ keptFiles: 10, fetchedBytes: 0, elapsedMs: 400 }, '10 files, 8.17 GB, all verified; nothing to fetch'],
  [
    { files: 1, bytes: 5, keptFiles: 0, fetchedBytes: 5, elapsedMs: 0, retries: 12 },
    '1 file, 5 B, verified; fetched 5 B in 0s (5.00 kB/s); 12 retries',
  ],
])('success %#', (facts, text) => {
  expect(successSummary({ ...FACTS, ...facts })).toBe(text);
});

test('interruption', () => {
  expect(interruptedSummary({ ...FACTS, doneBytes: 3_400_000_000, finishedFiles: 4 })).toBe(
    '3.40 GB of 8.17 GB kept (4 of 10 files complete); run the same command again to resume',
  );
  expect(interruptedSummary({ ...FACTS, doneBytes: 0 })).toBe(
    'nothing was fetched yet; run the same command again to start over',
  );
});

test('facts come from the tally', () => {
  const tally = new Tally();
  tally.apply({
    type: 'planned',
    directory: '/d',
    plan: planOf([planned('a', 10, { action: 'keep' }), planned('b', 20)]),
  });
  tally.apply({ type: 'bytes', path: 'b', count: 5 });
  expect(runFacts(tally, 7)).toEqual({
    files: 2,
    bytes: 30,
    keptFiles: 1,
    repairedFiles: 0,
    doneBytes: 15,
    fetchedBytes: 5,
    finishedFiles: 1,
    retries: 0,
    elapsedMs: 7,
  });
});
