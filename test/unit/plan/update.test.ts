import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ByteRange } from '../../../src/model/byte-range.ts';
import type { ChunkRun, XetTerm } from '../../../src/model/chunks.ts';
import type { LocalRange } from '../../../src/plan/make-plan.ts';
import {
  completeRuns,
  gapsBetween,
  isWorthUpdating,
  type LocalVersion,
  localRanges,
  runsOf,
} from '../../../src/plan/update.ts';
import { ContentStore } from '../../support/xet/content-store.ts';
import { versions } from '../../support/xet/contents.ts';
import { pack } from '../../support/xet/pack.ts';

const MB = 1_000_000;
const run = (xorb: string, first: number, ...lengths: number[]): ChunkRun => ({ xorb, first, lengths });
const term = (xorb: string, start: number, end: number, length: number): XetTerm => ({
  xorb,
  start,
  end,
  length,
});
const copy = (path: string, offset: number, start: number, end: number): LocalRange => ({
  path,
  offset,
  start,
  end,
});

describe('the chunks of a file', () => {
  test('are its terms with the lengths that the file shows', () => {
    const terms = [term('x', 4, 6, 30), term('y', 0, 1, 5)];
    expect(runsOf(terms, [10, 20, 5])).toEqual([run('x', 4, 10, 20), run('y', 0, 5)]);
  });

  test.each([
    ['too few', [10, 20]],
    ['too many', [10, 20, 5, 1]],
    ['another sum', [10, 21, 4]],
    ['none', []],
  ])('are unknown where the lengths are of another content: %s', (_name, lengths) => {
    expect(runsOf([term('x', 4, 6, 30), term('y', 0, 1, 5)], lengths)).toBeUndefined();
  });
});

describe('all chunks of a file that was updated', () => {
  const terms = [term('x', 0, 3, 60), term('z', 5, 7, 9), term('x', 0, 1, 10)];
  const old: LocalVersion = { path: '/old', runs: [run('x', 0, 10, 20, 30)] };

  test('are those that came, where all of them did', () => {
    const all = [run('x', 0, 10, 20, 30)];
    expect(completeRuns(60, all, undefined)).toBe(all);
    expect(completeRuns(60, [run('x', 0, 10, 20)], undefined)).toBeUndefined();
  });

  test('are those that came and those of the old version', () => {
    const runs = [run('x', 0, 10, 20, 30), run('z', 5, 4, 5), run('x', 0, 10)];
    expect(completeRuns(79, [run('z', 5, 4, 5)], { terms, versions: [old] })).toEqual(runs);
  });

  test('are unknown where a length is, or contradicts its term', () => {
    expect(completeRuns(79, [run('z', 5, 4)], { terms, versions: [old] })).toBeUndefined();
    expect(completeRuns(79, [run('z', 5, 4, 4)], { terms, versions: [old] })).toBeUndefined();
    expect(completeRuns(79, [run('z', 5, 4, 5)], { terms, versions: [] })).toBeUndefined();
  });
});

describe('what local versions have of a file', () => {
  const a: LocalVersion = { path: '/a', runs: [run('x', 0, MB, 2 * MB, 3 * MB), run('y', 7, MB)] };

  test('is all of it where nothing has changed: one copy', () => {
    const terms = [term('x', 0, 3, 6 * MB), term('y', 7, 8, MB)];
    expect(localRanges(terms, [a])).toEqual([copy('/a', 0, 0, 7 * MB)]);
  });

  test('is what stands before and behind another chunk', () => {
    const terms = [term('x', 0, 1, MB), term('z', 0, 1, 17), term('x', 2, 3, 3 * MB), term('y', 7, 8, MB)];
    const ranges = localRanges(terms, [a]);
    expect(ranges).toEqual([copy('/a', 0, 0, MB), copy('/a', 3 * MB, MB + 17, 5 * MB + 17)]);
    expect(gapsBetween(ranges, 5 * MB + 17)).toEqual([{ start: MB, end: MB + 17 }]);
  });

  test('has no offset between unknown chunks of one term, but from both its ends', () => {
    const known = { path: '/a', runs: [run('x', 0, MB), run('x', 2, MB), run('x', 4, MB)] };
    expect(localRanges([term('x', 0, 5, 9 * MB)], [known])).toEqual([
      copy('/a', 0, 0, MB),
      copy('/a', 2 * MB, 8 * MB, 9 * MB),
    ]);
  });

  test('is nothing where the lengths contradict the term', () => {
    for (const length of [6 * MB - 1, 6 * MB + 1, 0])
      expect(localRanges([term('x', 0, 3, length)], [a])).toEqual([]);
    // The unknown chunk would have no byte.
    expect(localRanges([term('x', 0, 4, 6 * MB)], [a])).toEqual([]);
  });

  test('does not include a copy between two gaps that is shorter than a request is worth', () => {
    const terms = (bytes: number) => [
      term('z', 0, 1, 5),
      term('w', 0, 1, bytes),
      term('z', 1, 2, 5),
      term('y', 7, 8, MB),
    ];
    const version = (bytes: number) => ({ path: '/a', runs: [run('w', 0, bytes), run('y', 7, MB)] });
    expect(localRanges(terms(MB), [version(MB)])).toHaveLength(2);
    expect(localRanges(terms(MB - 1), [version(MB - 1)])).toEqual([copy('/a', MB - 1, MB + 9, 2 * MB + 9)]);
  });

  test('comes from the first version that has a chunk', () => {
    const b: LocalVersion = { path: '/b', runs: [run('x', 1, 2 * MB), run('z', 0, 9)] };
    expect(localRanges([term('x', 1, 2, 2 * MB), term('z', 0, 1, 9)], [a, b])).toEqual([
      copy('/a', MB, 0, 2 * MB),
      copy('/b', 2 * MB, 2 * MB, 2 * MB + 9),
    ]);
  });
});

/** What stands at an offset of a file: which byte of which chunk. */
type Byte = readonly [xorb: string, chunk: number, offset: number];

interface World {
  /** Lengths of the chunks of each xorb. */
  readonly xorbs: readonly (readonly number[])[];
  /** Each file is parts of xorbs. */
  readonly files: readonly (readonly {
    readonly xorb: number;
    readonly start: number;
    readonly count: number;
  }[])[];
}

const world: fc.Arbitrary<World> = fc.record({
  xorbs: fc.array(fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 4,
  }),
  files: fc.array(
    fc.array(fc.record({ xorb: fc.nat(3), start: fc.nat(11), count: fc.integer({ min: 1, max: 12 }) }), {
      minLength: 1,
      maxLength: 8,
    }),
    { minLength: 2, maxLength: 4 },
  ),
});

function runsIn({ xorbs }: World, file: World['files'][number]): ChunkRun[] {
  return file.flatMap(({ xorb, start, count }) => {
    const lengths = (xorbs[xorb % xorbs.length] ?? []).slice(start, start + count);
    return lengths.length === 0 ? [] : [{ xorb: String(xorb % xorbs.length), first: start, lengths }];
  });
}

function byteAt(runs: readonly ChunkRun[], offset: number): Byte | undefined {
  let at = 0;
  for (const { xorb, first, lengths } of runs) {
    for (const [index, length] of lengths.entries()) {
      if (offset < at + length) return [xorb, first + index, offset - at];
      at += length;
    }
  }
  return undefined;
}

const bytesOf = (ranges: readonly ByteRange[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);
const sizeOf = (runs: readonly ChunkRun[]): number =>
  runs.flatMap(({ lengths }) => lengths).reduce((sum, length) => sum + length, 0);

test('for all files: each byte once, copied from a place that has this very byte', () => {
  fc.assert(
    fc.property(world, (given) => {
      const [target = [], ...olders] = given.files.map((file) => runsIn(given, file));
      const terms = target.map(({ xorb, first, lengths }) =>
        term(xorb, first, first + lengths.length, sizeOf([{ xorb, first, lengths }])),
      );
      const versions = olders.map((runs, index) => ({ path: `/${index}`, runs }));
      const size = sizeOf(target);
      const ranges = localRanges(terms, versions);
      const gaps = gapsBetween(ranges, size);

      expect(bytesOf(ranges) + bytesOf(gaps)).toBe(size);
      for (const [index, range] of ranges.entries()) {
        expect(range.start).toBeGreaterThanOrEqual(ranges[index - 1]?.end ?? 0);
        expect(range.end).toBeGreaterThan(range.start);
        const source = versions.find(({ path }) => path === range.path)!;
        expect(range.offset + range.end - range.start).toBeLessThanOrEqual(sizeOf(source.runs));
        for (const at of [range.start, Math.floor((range.start + range.end) / 2), range.end - 1]) {
          const there = byteAt(source.runs, range.offset + at - range.start);
          expect(there).toEqual(byteAt(target, at));
        }
      }
      // Whole terms that an older version has are never fetched, unless they are short.
      if (versions.some(({ runs }) => JSON.stringify(runs) === JSON.stringify(target)))
        expect(gaps).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

describe('versions of a file of tensors', () => {
  const tensorBytes = 2 << 20;
  const contents = versions({ tensors: 12, tensorBytes, changed: 5 });
  let stored: Readonly<
    Record<'a' | 'b' | 'c', { readonly terms: readonly XetTerm[]; readonly lengths: number[] }>
  >;

  beforeAll(async () => {
    await using store = await ContentStore.start();
    const describe = async (content: Buffer) => {
      const { xetHash } = await pack(store, content, { scheme: 'none' });
      const { terms } = store.files.get(xetHash)!;
      const lengths = terms.flatMap(({ xorb, start, end }) =>
        store.xorbs
          .get(xorb)!
          .chunks.slice(start, end)
          .map(({ length }) => length),
      );
      return { terms, lengths };
    };
    stored = { a: await describe(contents.a), b: await describe(contents.b), c: await describe(contents.c) };
  });

  test.each(['b', 'c'] as const)('of %s after A, little more than the changed tensor is fetched', (name) => {
    const runs = runsOf(stored.a.terms, stored.a.lengths)!;
    const ranges = localRanges(stored[name].terms, [{ path: '/a', runs }]);
    const content = contents[name];
    const gaps = gapsBetween(ranges, content.length);
    // At each edge of what has changed, a chunk is lost, and where the header has grown one more.
    const chunk = 128 * 1024;
    expect(bytesOf(gaps)).toBeLessThan(tensorBytes + 6 * chunk);
    expect(bytesOf(gaps)).toBeGreaterThan(tensorBytes - chunk);
    for (const { start, end, offset } of ranges)
      expect(contents.a.subarray(offset, offset + end - start).equals(content.subarray(start, end))).toBe(
        true,
      );
  });

  test('the chunks of another file say nothing about this one', () => {
    expect(runsOf(stored.b.terms, stored.a.lengths)).toBeUndefined();
  });
});

test.each([
  ['a tenth of 80 MB', 8 * MB, 80 * MB, true],
  ['8 MB of a small file', 8 * MB, 10 * MB, true],
  ['less than 8 MB, although it is nearly all', 8 * MB - 1, 8 * MB, false],
  ['less than a tenth, although it is much', 999 * MB, 10_000 * MB, false],
  ['a tenth of a large file', 1000 * MB, 10_000 * MB, true],
  ['nothing', 0, 80 * MB, false],
])('an update that saves %s', (_name, saved, size, isWorth) => {
  expect(isWorthUpdating(saved, size)).toBe(isWorth);
});
