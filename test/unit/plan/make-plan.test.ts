import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesFrom, type Holding, piecesFrom } from '../../../src/model/plan.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { Revision } from '../../../src/model/repo.ts';
import { checkSpace, type LocalRange, makePlan, withLocalCopies } from '../../../src/plan/make-plan.ts';

const revision: Revision = {
  repo: { type: 'model', id: 'o/n' },
  name: 'main',
  id: '607a30d783dfa663caf39e06633721c8d4cfcd7e',
  gated: false,
};

const file = (path: string, size: number): RemoteFile => ({ path, size, digest: undefined });

const files = [
  file('whole', 1000),
  file('part', 500),
  file('candidate', 300),
  file('different', 200),
  file('absent', 100),
];
const holdings = new Map<string, Holding>([
  ['whole', { kind: 'whole' }],
  ['part', { kind: 'part', part: [{ start: 100, end: 400 }] }],
  ['candidate', { kind: 'candidate', part: [] }],
  ['different', { kind: 'different', part: [{ start: 0, end: 50 }] }],
]);

const summary = (plan: ReturnType<typeof makePlan>) =>
  plan.files.map((planned) => {
    const { file, action, replaces } = planned;
    return [file.path, action, piecesFrom(planned, 'held').length, replaces];
  });

const range = fc.record({
  start: fc.integer({ min: -20, max: 150 }),
  end: fc.integer({ min: -20, max: 150 }),
});

describe('makePlan', () => {
  test('decides by what is held, sorted by path', () => {
    const plan = makePlan(revision, files, { holdings, freeBytes: 7 });
    expect(summary(plan)).toEqual([
      ['absent', 'transfer', 0, false],
      ['candidate', 'check', 0, false],
      ['different', 'transfer', 1, true],
      ['part', 'transfer', 1, false],
      ['whole', 'keep', 0, false],
    ]);
    expect(plan.totals).toEqual({
      files: 5,
      bytes: 2100,
      heldBytes: 1650,
      fetchBytes: 450,
      keepFiles: 1,
      checkFiles: 1,
      fetchFiles: 3,
    });
    expect(plan.spaceNeeded).toBe(450);
    expect(plan.spaceFree).toBe(7);
  });

  test('force fetches everything, but parts have their room already', () => {
    const plan = makePlan(revision, files, { holdings, freeBytes: undefined }, { forceDownload: true });
    expect(summary(plan)).toEqual([
      ['absent', 'transfer', 0, false],
      ['candidate', 'transfer', 0, true],
      ['different', 'transfer', 0, true],
      ['part', 'transfer', 0, false],
      ['whole', 'transfer', 0, false],
    ]);
    expect(plan.totals).toMatchObject({ fetchBytes: 2100, heldBytes: 0, fetchFiles: 5 });
    expect(plan.spaceNeeded).toBe(1750);
  });

  test('nothing selected is a plan too', () => {
    const plan = makePlan(revision, [], { holdings, freeBytes: 0 });
    expect(plan.totals).toMatchObject({ files: 0, bytes: 0, fetchBytes: 0 });
    expect(checkSpace(plan)).toBeUndefined();
  });

  const holding: fc.Arbitrary<Holding> = fc.oneof(
    fc.constantFrom<Holding>({ kind: 'whole' }, { kind: 'nothing' }),
    fc.record({ kind: fc.constantFrom('candidate', 'different', 'part'), part: fc.array(range) }),
  );

  test('totals add up, whatever a journal says', () => {
    const entry = fc.tuple(fc.nat({ max: 100 }), fc.option(holding));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), entry), fc.boolean(), (entries, forceDownload) => {
        const selected = Object.entries(entries).map(([path, [size]]) => file(path, size));
        const known = new Map(
          Object.entries(entries).flatMap(([path, [, held]]) => (held ? [[path, held]] : [])),
        );
        const plan = makePlan(
          revision,
          selected,
          { holdings: known, freeBytes: undefined },
          { forceDownload },
        );
        const { totals } = plan;
        expect(plan.files.map((one) => one.file.path)).toEqual(Object.keys(entries).sort());
        expect(totals.heldBytes + totals.fetchBytes).toBe(totals.bytes);
        expect(totals.keepFiles + totals.checkFiles + totals.fetchFiles).toBe(totals.files);
        expect(totals.fetchBytes).toBeGreaterThanOrEqual(0);
        expect(totals.heldBytes).toBeGreaterThanOrEqual(0);
        expect(plan.spaceNeeded).toBeGreaterThanOrEqual(0);
        if (!forceDownload) expect(plan.spaceNeeded).toBe(totals.fetchBytes);
        for (const { action, pieces, file: one } of plan.files) {
          if (action !== 'keep') expectToCover(pieces, one.size);
        }
      }),
    );
  });
});

/** Ascending, without gap or overlap. */
function expectToCover(pieces: readonly { start: number; end: number }[], size: number): void {
  let before = 0;
  for (const { start, end } of pieces) {
    expect(start).toBe(before);
    expect(end).toBeGreaterThan(start);
    before = end;
  }
  expect(before).toBe(size);
}

describe('withLocalCopies', () => {
  const copy = (start: number, end: number, path: string, offset = 0): LocalRange => ({
    start,
    end,
    path,
    offset,
  });

  test('copies a whole file that is not here, and only what a part lacks', () => {
    const plan = makePlan(revision, files, { holdings, freeBytes: undefined });
    const known = new Map(files.map(({ path, size }) => [path, [copy(0, size, `/old/${path}`)]]));
    const { files: planned, totals, spaceNeeded } = withLocalCopies(plan, known);
    expect(planned.find(({ file: { path } }) => path === 'absent')?.pieces).toEqual([
      { start: 0, end: 100, from: { kind: 'file', path: '/old/absent', offset: 0 } },
    ]);
    expect(planned.find(({ file: { path } }) => path === 'part')?.pieces).toEqual([
      { start: 0, end: 100, from: { kind: 'file', path: '/old/part', offset: 0 } },
      { start: 100, end: 400, from: { kind: 'held' } },
      { start: 400, end: 500, from: { kind: 'file', path: '/old/part', offset: 400 } },
    ]);
    // What is right, or must be hashed to know, is left alone.
    expect(planned.find(({ file: { path } }) => path === 'whole')?.pieces).toEqual([]);
    expect(planned.find(({ file: { path } }) => path === 'candidate')).toBe(plan.files[1]);
    expect(totals).toMatchObject({ fetchBytes: 0, reuseBytes: 450, heldBytes: 1650, fetchFiles: 0 });
    expect(spaceNeeded).toBe(plan.spaceNeeded);
  });

  test('puts a file together from ranges of several others and of the source', () => {
    const plan = makePlan(revision, [file('new', 100)], { holdings: new Map(), freeBytes: undefined });
    const ranges = [copy(10, 30, '/old', 500), copy(20, 50, '/other', 7), copy(90, 200, '/old', 0)];
    const { files: planned, totals } = withLocalCopies(plan, new Map([['new', ranges]]));
    expect(planned[0]?.pieces).toEqual([
      { start: 0, end: 10, from: { kind: 'remote', splittable: true } },
      { start: 10, end: 30, from: { kind: 'file', path: '/old', offset: 500 } },
      { start: 30, end: 50, from: { kind: 'file', path: '/other', offset: 17 } },
      { start: 50, end: 90, from: { kind: 'remote', splittable: true } },
      { start: 90, end: 100, from: { kind: 'file', path: '/old', offset: 0 } },
    ]);
    expect(totals).toMatchObject({ fetchBytes: 50, reuseBytes: 50, fetchFiles: 1 });
  });

  test('always covers the file once, and counts every byte once', () => {
    const local = fc.record({
      start: fc.integer({ min: -20, max: 150 }),
      end: fc.integer({ min: -20, max: 150 }),
      path: fc.constantFrom('/a', '/b'),
      offset: fc.nat({ max: 99 }),
    });
    fc.assert(
      fc.property(fc.nat({ max: 100 }), fc.array(range), fc.array(local), (size, part, locals) => {
        const held = new Map<string, Holding>([['f', { kind: 'part', part }]]);
        const plan = makePlan(revision, [file('f', size)], { holdings: held, freeBytes: undefined });
        const { files: planned, totals } = withLocalCopies(plan, new Map([['f', locals]]));
        expectToCover(planned[0]!.pieces, size);
        expect(bytesFrom(planned[0]!, 'held')).toBe(bytesFrom(plan.files[0]!, 'held'));
        expect(totals.heldBytes + totals.fetchBytes + (totals.reuseBytes ?? 0)).toBe(size);
        for (const { start, end, from } of piecesFrom(planned[0]!, 'file')) {
          const shift = from.offset - start;
          const sources = locals.filter((one) => one.path === from.path && one.offset - one.start === shift);
          expect(sources.some((one) => one.start <= start && one.end >= end)).toBe(true);
        }
      }),
    );
  });
});

describe('checkSpace', () => {
  const plan = (size: number, freeBytes: number | undefined) =>
    makePlan(revision, [file('a', size)], { holdings: new Map(), freeBytes });

  test.each([
    [100, 100],
    [100, 101],
    [100, undefined],
    [0, 0],
  ])('%s bytes into %s', (size, free) => {
    expect(checkSpace(plan(size, free))).toBeUndefined();
  });

  test('says exactly what is missing', () => {
    const error = checkSpace(plan(4_368_438_912, 4_000_000_000));
    expect(error).toMatchObject({ code: 'DISK', side: 'store' });
    expect(error?.message).toContain('4,368,438,912 bytes (4.37 GB)');
    expect(error?.message).toContain('4,000,000,000 bytes (4.00 GB)');
    expect(error?.hint).toContain('Free 368,438,912 bytes (368 MB)');
    expect(error?.hint).toContain('--ignore-space');
    expect(checkSpace(plan(100, 99))?.hint).toContain('Free 1 byte,');
  });
});
