import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../../../src/model/event.ts';
import { runFacts } from '../../../../src/report/progress/summary.ts';
import { Tally } from '../../../../src/report/progress/tally.ts';
import { cpuMs } from '../../../support/machine.ts';
import { held, planned, planOf } from '../records.ts';

function fold(...events: TransferEvent[]): Tally {
  const tally = new Tally();
  for (const event of events) tally.apply(event);
  return tally;
}

const PLAN: TransferEvent = {
  type: 'planned',
  directory: '/d',
  plan: planOf([
    planned('kept', 100, { action: 'keep' }),
    planned('checked', 50, { action: 'check' }),
    planned('part', 1000, {
      pieces: held({ start: 0, end: 200 }, { start: 300, end: 400 }),
    }),
    planned('new', 10),
  ]),
};

describe('tally', () => {
  test('counts what the plan says is here', () => {
    const tally = fold(PLAN);
    expect([tally.totalBytes, tally.doneBytes, tally.heldBytes, tally.fetchedBytes]).toEqual([
      1160, 450, 450, 0,
    ]);
    expect([tally.totalFiles, tally.finishedFiles, tally.outcomes.kept]).toEqual([4, 1, 1]);
  });

  test('follows one file from start to end', () => {
    const tally = fold(PLAN, { type: 'file-started', path: 'part', size: 1000, held: 300 });
    tally.apply({ type: 'bytes', path: 'part', count: 500 });
    expect([...tally.active]).toMatchObject([{ path: 'part', done: 800, size: 1000, state: 'moving' }]);
    tally.apply({ type: 'bytes-lost', path: 'part', count: 100 });
    expect([tally.doneBytes, tally.fetchedBytes]).toEqual([850, 500]);
    tally.apply({ type: 'file-verifying', path: 'part' });
    expect(tally.file('part')?.state).toBe('verifying');
    tally.apply({ type: 'file-finished', path: 'part', size: 1000, how: 'transferred' });
    expect([tally.activeFiles, tally.doneBytes, tally.finishedFiles]).toEqual([0, 1150, 2]);
  });

  test('knows what stands there and was not read yet', () => {
    const started: TransferEvent = { type: 'file-started', path: 'checked', size: 50, held: 0 };
    const kept: TransferEvent = { type: 'file-finished', path: 'checked', size: 50, how: 'kept' };
    expect(fold(PLAN).uncheckedBytes).toBe(50);
    expect(fold(PLAN, started).uncheckedBytes).toBe(0);
    expect(fold(PLAN, kept).uncheckedBytes).toBe(0);
    expect(runFacts(fold(PLAN), 0).doneBytes).toBe(400);
    expect(runFacts(fold(PLAN, kept), 0).doneBytes).toBe(450);
  });

  test('takes back a checked file that proved wrong, however the engine says so', () => {
    const lost: TransferEvent = { type: 'bytes-lost', path: 'checked', count: 50 };
    const started: TransferEvent = { type: 'file-started', path: 'checked', size: 50, held: 0 };
    expect(fold(PLAN, { type: 'file-verifying', path: 'checked' }, lost, started).doneBytes).toBe(400);
    expect(fold(PLAN, started).doneBytes).toBe(400);
  });

  test('counts a file once, even if it is reported finished again', () => {
    const kept: TransferEvent = { type: 'file-finished', path: 'kept', size: 100, how: 'kept' };
    const tally = fold(PLAN, kept, kept);
    expect([tally.finishedFiles, tally.outcomes.kept]).toEqual([1, 1]);
  });

  test('counts retries and failures, and forgets a failure that was mended', () => {
    const retry: TransferEvent = {
      type: 'retrying',
      what: 'new',
      attempt: 1,
      delayMs: 0,
      code: 'NETWORK',
      message: '',
    };
    const tally = fold(PLAN, retry, { type: 'file-failed', path: 'new', code: 'NETWORK', message: 'x' });
    expect([tally.retries, tally.failedFiles]).toEqual([1, 1]);
    tally.apply({ type: 'file-finished', path: 'new', size: 10, how: 'repaired' });
    expect([tally.failedFiles, tally.outcomes.repaired]).toEqual([0, 1]);
  });

  test('bytes brought twice do not count above the size, nor get lost when one copy is dropped', () => {
    const tally = fold(PLAN, { type: 'bytes', path: 'new', count: 14 });
    expect(tally.file('new')?.done).toBe(10);
    tally.apply({ type: 'bytes-lost', path: 'new', count: 4 });
    expect(tally.file('new')?.done).toBe(10);
  });

  test('totals are always the sums over the files and stay within bounds', () => {
    const path = fc.constantFrom('kept', 'checked', 'part', 'new', 'unplanned');
    const count = fc.nat(1200);
    const event: fc.Arbitrary<TransferEvent> = fc.oneof(
      fc.record({ type: fc.constantFrom('bytes', 'bytes-lost'), path, count }),
      fc.record({ type: fc.constant('file-started' as const), path, size: fc.constant(1000), held: count }),
      fc.record({ type: fc.constant('file-verifying' as const), path }),
      fc.record({
        type: fc.constant('file-finished' as const),
        path,
        size: fc.constant(1000),
        how: fc.constantFrom('transferred', 'kept', 'repaired'),
      }),
      fc.record({
        type: fc.constant('file-failed' as const),
        path,
        code: fc.constant('NETWORK' as const),
        message: fc.string(),
      }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const tally = fold(PLAN, ...events);
        const files = ['kept', 'checked', 'part', 'new', 'unplanned'].flatMap(
          (name) => tally.file(name) ?? [],
        );
        const sum = (pick: (file: (typeof files)[number]) => number): number =>
          files.reduce((total, file) => total + pick(file), 0);
        expect(tally.doneBytes).toBe(sum((file) => file.done));
        expect(tally.totalBytes).toBe(sum((file) => file.size));
        expect(tally.finishedFiles).toBe(sum((file) => Number(file.state === 'finished')));
        expect(tally.failedFiles).toBe(sum((file) => Number(file.state === 'failed')));
        expect(tally.activeFiles).toBe(
          sum((file) => Number(file.state === 'moving' || file.state === 'verifying')),
        );
        const { transferred, kept, repaired } = tally.outcomes;
        expect(transferred + kept + repaired).toBe(tally.finishedFiles);
        for (const file of files) expect(file.done >= 0 && file.done <= file.size).toBe(true);
      }),
    );
  });

  test('a million bytes events over 10,000 files cost well under two microseconds each', () => {
    const files = Array.from({ length: 10_000 }, (_, i) => planned(`directory/file-${i}.bin`, 1e9));
    const tally = fold({ type: 'planned', directory: '/d', plan: planOf(files) });
    const events = files.map(({ file }): TransferEvent => ({ type: 'bytes', path: file.path, count: 1 }));
    const before = cpuMs();
    for (let round = 0; round < 100; round += 1) for (const event of events) tally.apply(event);
    expect(cpuMs() - before).toBeLessThan(2000);
    expect(tally.doneBytes).toBe(1_000_000);
  });
});
