import { describe, expect, test } from 'vitest';
import { FetchError } from '../../src/model/error.ts';
import type { LocalRange } from '../../src/plan/make-plan.ts';
import { type Bytes, Content } from '../support/engine/content.ts';
import { World, type WorldOptions } from '../support/engine/world.ts';
import { MIB } from '../support/store-kit.ts';

const SIZE = 40 * MIB;
const MODEL = { 'model.bin': SIZE };
const OLD = '/old/model.bin';

/** The bytes 4 to 12 and 20 to 36 MiB of the model; the old file has a header that is 1000 bytes shorter. */
const SHIFT = -1000;
const RANGES: LocalRange[] = [
  { start: 4 * MIB, end: 12 * MIB, path: OLD, offset: 4 * MIB + SHIFT },
  { start: 20 * MIB, end: 36 * MIB, path: OLD, offset: 20 * MIB + SHIFT },
];
const COPIED = 24 * MIB;

/** A world where the old file has the right bytes in these ranges, or `bytes` from 22 MiB on. */
function mixed(options: Partial<WorldOptions> = {}, bytes: Bytes = 'right'): World {
  const world = new World({ files: MODEL, local: { 'model.bin': RANGES }, ...options });
  const content = new Content('old', SIZE);
  for (const range of RANGES) content.write(range, 'right');
  if (bytes !== 'right') content.write({ start: 22 * MIB, end: 23 * MIB }, bytes);
  world.disk.others.set(OLD, { content, shift: SHIFT });
  return world;
}

/** A world where another file should be the same as the whole model. */
function copied(content: Content, options: Partial<WorldOptions> = {}): World {
  const local = { 'model.bin': [{ start: 0, end: SIZE, path: OLD, offset: 0 }] };
  const world = new World({ files: MODEL, local, ...options });
  world.disk.others.set(OLD, { content, shift: 0 });
  return world;
}

const wrongAt = (start: number): Content => {
  const content = Content.right('old', SIZE);
  content.write({ start, end: start + 1 }, 'wrong flipped');
  return content;
};
const notes = (run: { events(type: 'note'): { message: string }[] }) =>
  run.events('note').map(({ message }) => message);

describe('a file of pieces from this machine and from the source', () => {
  test('is put together, each byte from where the plan says', async () => {
    const world = mixed();
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
    expect(run.copiedBytes).toBe(COPIED);
    expect(run.fetchedBytes).toBe(SIZE - COPIED);
    expect(run.wireBytes).toBe(SIZE - COPIED);
    expect(run.transport.copies).toEqual(RANGES.map(({ start, end }) => ({ path: 'model.bin', start, end })));
    const copies = RANGES.map(({ start, end }) => [start, end] as const);
    for (const { start, end } of run.transport.requests) {
      expect(copies.some(([first, last]) => start < last && end > first)).toBe(false);
    }
    expect(run.events('file-finished').map(({ how }) => how)).toEqual(['transferred']);
  });

  test.each(Array.from({ length: 12 }, (_, step) => 2 + step * 3))(
    'is continued after a kill at step %i: nothing that was there is copied or fetched again',
    async (after) => {
      const world = mixed();
      await world.run({ after, by: 'kill' });
      const journal = world.disk.parts.get('model.bin')?.journal;
      const held = journal?.ranges.map((range) => ({ ...range })) ?? [];
      const again = await world.run();
      expect(again.done, String(again)).toBe(true);
      expect(world.complete).toBe(true);
      const heldBytes = held.reduce((sum, { start, end }) => sum + end - start, 0);
      expect(again.copiedBytes + again.fetchedBytes).toBe(SIZE - heldBytes);
      expect(again.events('bytes-lost')).toEqual([]);
      for (const { start, end } of [...again.transport.copies, ...again.transport.requests]) {
        expect(held.some((range) => start < range.end && end > range.start)).toBe(false);
      }
    },
  );

  test('with held, copied and fetched bytes at once', async () => {
    const world = mixed({ hosts: { cdn: { rate: 20_000 } } });
    await world.run({ after: 12, by: 'kill' });
    const { journal } = world.disk.parts.get('model.bin')!;
    const heldBytes = journal.size;
    const copiedBefore = RANGES.some(({ start, end }) =>
      journal.ranges.some((range) => range.start < end && range.end > start),
    );
    expect(copiedBefore).toBe(true);
    const again = await world.run();
    expect(again.copiedBytes).toBeGreaterThan(0);
    expect(again.fetchedBytes).toBeGreaterThan(0);
    expect(again.events('file-started')[0]?.held).toBe(heldBytes);
    expect(world.complete).toBe(true);
  });

  test('whose copied bytes are wrong is read twice, told once, and fetched whole', async () => {
    const world = mixed({}, 'wrong old');
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
    expect(notes(run)).toEqual([
      'the hash of model.bin is wrong: reading it once more',
      `model.bin: not taken from ${OLD}: its content is another one`,
    ]);
    expect(run.events('retrying')).toEqual([]);
    expect(run.copiedBytes).toBe(0);
    expect(run.fetchedBytes).toBe(SIZE);
    expect(run.wireBytes).toBe(SIZE + SIZE - COPIED);
    expect(run.events('file-finished').map(({ how }) => how)).toEqual(['transferred']);
  });

  test('is taken whole by a server that ignores ranges, and the copies stop', async () => {
    const world = mixed({ faults: [{ kind: 'whole file', times: 1000 }] });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
  });

  test('is interrupted in time at any step, and the next run goes on', async () => {
    for (const after of [1, 4, 9, 16, 25]) {
      const world = mixed();
      const run = await world.run({ after, by: 'abort' });
      expect(run.codes.filter((code) => code !== 'ABORTED')).toEqual([]);
      await world.runUntilComplete(1);
    }
  });
});

describe('a file that is copied from this machine', () => {
  test('makes no request, and counts as kept', async () => {
    const world = copied(Content.right('old', SIZE));
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(run.transport.requests).toEqual([]);
    expect(world.source.locates('model.bin')).toBe(0);
    expect([run.copiedBytes, run.fetchedBytes, run.wireBytes]).toEqual([SIZE, 0, 0]);
    expect(run.events('bytes')).toEqual([]);
    expect(run.events('file-finished').map(({ how }) => how)).toEqual(['kept']);
  });

  test('does not count against the connections', async () => {
    const files = { 'model.bin': SIZE, 'other.bin': 64 * MIB };
    const world = copied(Content.right('old', SIZE), { files, connections: 1 });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    // As long as the other file takes alone.
    const alone = await new World({ files: { 'other.bin': 64 * MIB }, connections: 1 }).run();
    expect(run.ms).toBeLessThan(alone.ms * 1.2);
  });

  test.each([
    ['of another content', wrongAt(77), 'its content is another one'],
    ['too short', Content.right('old', 9 * MIB), `it ends at ${9 * MIB}`],
    ['gone', Content.right('old', 0), 'it ends at 0'],
  ])('and %s comes from the source, after a note', async (_, content, why) => {
    const refused: string[] = [];
    const world = copied(content, {
      onCopyRefused: async ({ path }) => void refused.push(path),
    });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
    expect(notes(run)).toEqual([`model.bin: not taken from ${OLD}: ${why}`]);
    expect(refused).toEqual(['model.bin']);
    expect(run.events('retrying')).toEqual([]);
    expect(run.events('file-finished').map(({ how }) => how)).toEqual(['transferred']);
  });

  test('and must not be fetched ends the run with the reason', async () => {
    const reason = new FetchError('NOT_FOUND', 'offline');
    const world = copied(wrongAt(77), { onCopyRefused: () => Promise.reject(reason) });
    const run = await world.run();
    expect(run.failures).toEqual([reason]);
    expect(run.events('file-failed')).toEqual([]);
    expect(world.disk.finals.size).toBe(0);
  });

  test('waits when no file can be opened for a while', async () => {
    const world = copied(Content.right('old', SIZE));
    world.disk.shortages = 5;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(run.transport.requests).toEqual([]);
  });
});
