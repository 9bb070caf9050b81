import { describe, expect, test } from 'vitest';
import { FetchError } from '../../src/model/error.ts';
import { World } from '../support/engine/world.ts';
import { MIB } from '../support/store-kit.ts';

const MODEL = { 'model.bin': 40 * MIB };

test('a run without faults brings every byte once, and asks once where each file is', async () => {
  const world = new World({ files: { ...MODEL, 'config.json': 700, empty: 0 } });
  const run = await world.run();
  expect(run.done, String(run)).toBe(true);
  expect(run.transport.writes.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(40 * MIB + 700);
  expect(world.source.locates('model.bin')).toBe(1);
  expect(world.source.locates('config.json')).toBe(1);
  expect(run.events('retrying')).toEqual([]);
});

test('what is right is kept, and nothing is asked', async () => {
  const world = new World({ files: MODEL });
  await world.run();
  const again = await world.run();
  expect(again.events('file-finished').map(({ how }) => how)).toEqual(['kept']);
  expect(again.transport.requests).toEqual([]);
});

test('a file that stands there without a record is read, and kept if it is right', async () => {
  const world = new World({ files: MODEL });
  await world.run();
  world.disk.records.clear();
  const again = await world.run();
  expect(again.events('file-finished').map(({ how }) => how)).toEqual(['kept']);
  expect(again.transport.requests).toEqual([]);
});

test('and brought anew if one byte of it is wrong', async () => {
  const world = new World({ files: MODEL });
  await world.run();
  world.disk.records.clear();
  world.disk.finals.get('model.bin')?.write({ start: 77, end: 78 }, 'wrong flipped');
  const again = await world.run();
  expect(again.events('file-finished').map(({ how }) => how)).toEqual(['transferred']);
  expect(world.complete).toBe(true);
});

describe('a run that is cut off', () => {
  test('by a kill goes on where the journal ends', async () => {
    const world = new World({ files: MODEL });
    await world.run({ after: 30, by: 'kill' });
    const journalled = world.disk.parts.get('model.bin')?.journal.size ?? 0;
    expect(journalled).toBeGreaterThan(4 * MIB);
    const again = await world.run();
    expect(again.events('file-started').map(({ held }) => held)).toEqual([journalled]);
    expect(again.fetchedBytes).toBe(40 * MIB - journalled);
    expect(again.events('bytes-lost')).toEqual([]);
    expect(world.complete).toBe(true);
  });

  test('by a kill, and whose part is touched after the plan was made, brings what is missing then', async () => {
    const world = new World({ files: MODEL });
    await world.run({ after: 30, by: 'kill' });
    world.at(1, () => world.disk.parts.get('model.bin')?.journal.clear());
    const again = await world.run();
    expect(again.events('file-started').map(({ held }) => held)).toEqual([0]);
    expect(again.fetchedBytes).toBe(40 * MIB);
    expect(again.events('bytes-lost')).toEqual([]);
  });

  test('by a power cut brings anew what the journal named in vain', async () => {
    const world = new World({ files: MODEL });
    await world.run({ after: 30, by: 'kill' });
    world.disk.parts.get('model.bin')?.content.write({ start: 0, end: 100 }, 'hole');
    const again = await world.run();
    expect(again.events('file-finished').map(({ how }) => how)).toEqual(['repaired']);
    expect(world.complete).toBe(true);
  });

  test('by a power cut in the last moment, with nothing left to bring, as well', async () => {
    const world = new World({ files: MODEL });
    world.disk.failedFlushes = 1;
    const failed = await world.run();
    expect(failed.codes).toEqual(['DISK']);
    expect(world.disk.finals.size).toBe(0);
    await world.run();
    expect(world.complete).toBe(true);
  });

  test.each(Array.from({ length: 40 }, (_, step) => step * 2))(
    'by an interruption after %i steps ends in time, and the next goes on',
    async (after) => {
      const world = new World({ files: { ...MODEL, 'config.json': 700 } });
      const run = await world.run({ after, by: 'abort' });
      expect(run.codes.filter((code) => code !== 'ABORTED')).toEqual([]);
      await world.runUntilComplete(1);
    },
  );

  test('by an interruption while the hub is asked, and while a server is silent, ends in time', async () => {
    const world = new World({
      files: MODEL,
      faults: [{ kind: 'silence', at: 0, times: 100 }],
    });
    for (const after of [1, 2, 3, 10, 20]) {
      const run = await world.run({ after, by: 'abort' });
      expect(run.codes).toEqual(['ABORTED']);
    }
  });

  test('ends with the reason that it was given', async () => {
    const run = await new World({ files: MODEL }).run({ after: 10, by: 'abort' });
    expect(run.failures[0]).toBeInstanceOf(FetchError);
    expect(run.failures[0]?.message).toBe('interrupted');
  });
});

describe('the disk', () => {
  test('that is full ends the run, and what came is kept', async () => {
    const world = new World({ files: MODEL, faults: [{ kind: 'full disk', at: 2 * MIB, request: 3 }] });
    const run = await world.run();
    expect(run.codes).toEqual(['DISK']);
    const again = await world.run();
    expect(again.events('file-started')[0]?.held).toBeGreaterThan(MIB);
    expect(world.complete).toBe(true);
  });

  test('that loses what was written gives no file its name', async () => {
    const world = new World({ files: MODEL });
    world.disk.failedFlushes = 1;
    const run = await world.run();
    expect(run.codes).toEqual(['DISK']);
    expect(world.disk.finals.size).toBe(0);
    const again = await world.run();
    expect(again.events('file-started').map(({ held }) => held)).toEqual([0]);
  });

  test('that has no descriptor for a while makes connections wait', async () => {
    const world = new World({ files: { a: MIB, b: MIB, c: MIB, d: 20 * MIB } });
    world.disk.shortages = 5;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
  });

  test('that has none for the records of finished files is asked again, and names nothing twice', async () => {
    const world = new World({ files: { a: MIB, b: 20 * MIB } });
    world.disk.recordShortages = 30;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect([...world.disk.records].sort()).toEqual(['a', 'b']);
  });

  test('that never has one ends the run', async () => {
    const world = new World({ files: { a: MIB, b: MIB } });
    world.disk.shortages = 1000;
    expect((await world.run()).codes).toEqual(['DISK']);
  });
});
