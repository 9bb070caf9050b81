import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Relay } from '../../../../src/transfer/scheduling/relay.ts';
import { ownerOf, pieceBytes } from '../../../../src/transfer/scheduling/relay-group.ts';
import type { PeerReport } from '../../../../src/transfer/scheduling/relay-peer.ts';
import type { RelayOptions, WaitingRange } from '../../../../src/transfer/scheduling/relay-question.ts';
import { type SimulatedRun, simulateFleet } from '../../../support/relay-simulation.ts';

const MIB = 1 << 20;
const BYTES = 100 * MIB;
/** 20 MB/s. */
const RATE = 20_000;

function fleet(runs: readonly SimulatedRun[], latencyMs = 50) {
  const { sourceBytes, doneAt } = simulateFleet({ bytes: BYTES, runs, rate: RATE, latencyMs });
  return {
    ratio: sourceBytes / BYTES,
    doneAt,
    slowest: Math.max(...doneAt.map((at) => at ?? Number.POSITIVE_INFINITY)),
  };
}

const alone = fleet([{ from: [] }]);
const others = (count: number, self: number) =>
  Array.from({ length: count }, (_, at) => at).filter((at) => at !== self);
const mesh = (count: number): SimulatedRun[] =>
  Array.from({ length: count }, (_, self) => ({ from: others(count, self) }));

describe('runs that share the work', () => {
  test.each([2, 3, 4, 8])(
    '%i that name each other get each byte from the source once, in about the time of one',
    (count) => {
      const { ratio, slowest } = fleet(mesh(count));
      expect(ratio).toBeLessThan(1.02);
      expect(slowest).toBeLessThan(1.5 * alone.slowest);
    },
  );

  test('when they begin one after the other', () => {
    const { ratio } = fleet(mesh(4).map((run, number) => ({ ...run, beginsAt: 700 * number })));
    expect(ratio).toBeLessThan(1.05);
  });

  test.each<[string, SimulatedRun[]]>([
    ['a line', [{ from: [] }, { from: [0] }, { from: [1] }, { from: [2] }]],
    [
      'a line in which neighbours name each other',
      [{ from: [1] }, { from: [0, 2] }, { from: [1, 3] }, { from: [2] }],
    ],
    ['a ring', [{ from: [1] }, { from: [2] }, { from: [3] }, { from: [0] }]],
    ['a tree', [{ from: [] }, { from: [0] }, { from: [0] }, { from: [1] }]],
    ['a tree whose children name each other', [{ from: [] }, { from: [0, 2] }, { from: [0, 1] }]],
  ])('%s', (_name, runs) => {
    const { ratio, doneAt } = fleet(runs);
    expect(doneAt).not.toContain(undefined);
    // Who is behind a neighbour is only known after a while.
    expect(ratio).toBeLessThan(1.08);
  });

  test('late reports cost little', () => {
    expect(fleet(mesh(4), 400).ratio).toBeLessThan(1.08);
  });

  test('what is stuck at a slow source moves to the run that gets it', () => {
    const slow = { from: [1], sourceRate: 100 };
    const { ratio, slowest } = fleet([slow, { from: [0] }]);
    expect(slowest).toBeLessThan(2.5 * alone.slowest);
    expect(ratio).toBeLessThan(1.05);
  });

  test('a run that is killed is not waited for long', () => {
    const [first, ...rest] = mesh(4);
    const { doneAt } = fleet([{ ...first!, killedAt: 1500 }, ...rest]);
    expect(Math.max(...doneAt.slice(1).map((at) => at ?? Number.POSITIVE_INFINITY))).toBeLessThan(
      alone.slowest + 10_000,
    );
  });

  test('a head that is far slower than the source is not waited for', () => {
    const head = { from: [], sourceRate: 50 };
    const [, behind] = fleet([head, { from: [0] }]).doneAt;
    expect(behind).toBeLessThan((0.5 * BYTES) / 50);
  });

  test('whatever happens, every run that lives gets all of it', () => {
    const run = (count: number) =>
      fc.record({
        from: fc.uniqueArray(fc.nat({ max: count - 1 }), { maxLength: 3 }),
        beginsAt: fc.nat({ max: 4000 }),
        killedAt: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 100, max: 6000 })),
        sourceRate: fc.constantFrom(300, 5000, RATE),
      });
    const runs = fc
      .integer({ min: 2, max: 5 })
      .chain((count) => fc.array(run(count), { minLength: count, maxLength: count }));
    fc.assert(
      fc.property(runs, fc.integer({ min: 0, max: 600 }), (all, latencyMs) => {
        const { doneAt } = simulateFleet({ bytes: 12 * MIB + 5, runs: all, rate: RATE, latencyMs });
        for (const [number, at] of doneAt.entries())
          if (all[number]!.killedAt === Number.POSITIVE_INFINITY) expect(at).toBeDefined();
      }),
      { numRuns: 60 },
    );
  });
});

describe('the owner of a piece', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(16));

  test('is the same for every order of names, and each run owns about as many', () => {
    const counts = new Map<string | undefined, number>();
    for (let piece = 0; piece < 256; piece += 1) {
      const owner = ownerOf(nodes, 'model.bin', piece);
      expect(ownerOf([...nodes].reverse(), 'model.bin', piece)).toBe(owner);
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    for (const node of nodes) expect(counts.get(node)).toBeGreaterThan(40);
  });

  test('changes only to a run that comes in', () => {
    for (let piece = 0; piece < 256; piece += 1) {
      const [before, after] = [ownerOf(nodes.slice(1), 'x', piece), ownerOf(nodes, 'x', piece)];
      expect([before, nodes[0]]).toContain(after);
    }
  });

  test('pieces are whole blocks, and few', () => {
    for (const size of [1, MIB, 9 * MIB, 100 * MIB, 5e9, 5e11, 2 ** 44]) {
      expect(pieceBytes(size) % MIB).toBe(0);
      expect(pieceBytes(size)).toBeLessThanOrEqual(64 * MIB);
    }
  });
});

describe('one run', () => {
  const SIZE = 9 * MIB;
  const report = (
    node: string,
    written: [number, number][],
    about: Partial<PeerReport> = {},
  ): PeerReport => ({
    node: node.repeat(16),
    nodes: new Map(),
    files: new Map([[0, { written: written.map(([start, end]) => ({ start, end })), fetching: [] }]]),
    ...about,
  });
  const relayWith = (about: Partial<RelayOptions> = {}) =>
    new Relay({
      node: '0'.repeat(16),
      file: () => ({ path: 'x', size: SIZE, mayComeFromPeers: true }),
      peersFor: () => [{ peer: 0, busy: false }],
      ...about,
    });
  const whole: WaitingRange = { file: 0, position: 0, end: SIZE };
  const ask = (relay: Relay, now: number, waiting: readonly WaitingRange[] = [whole]) =>
    relay.choose({ waiting, now, bytes: 4 * MIB, sourceActive: 0, connections: 8 });

  test('waits for a peer that knows nothing of it, until that stops growing', () => {
    const relay = relayWith();
    relay.update(0, report('a', []), 0);
    expect(ask(relay, 1000)).toBeUndefined();
    expect(ask(relay, 6000)).toMatchObject({ start: 0, from: 'source' });
  });

  test('takes what a peer has, and nothing more', () => {
    const relay = relayWith();
    relay.update(0, report('a', [[MIB, 3 * MIB]]), 0);
    expect(ask(relay, 0)).toMatchObject({ start: MIB, end: 3 * MIB, from: 0 });
    expect(relay.doubt(0, 0)).toBe(true);
    expect(relay.doubt(0, 0)).toBe(false);
    expect(ask(relay, 0)).toBeUndefined();
  });

  test('what a busy peer has comes from nowhere else', () => {
    const relay = relayWith({ peersFor: () => [{ peer: 0, busy: true }] });
    relay.update(0, report('a', [[0, SIZE]]), 0);
    expect(ask(relay, 0)).toBeUndefined();
  });

  test('a peer that is the run itself is none', () => {
    const relay = relayWith();
    relay.update(0, report('0', []), 0);
    expect(relay.active).toBe(false);
  });

  test('a file that peers are not to be asked for comes from the source', () => {
    const relay = relayWith({ file: () => ({ path: 'x', size: SIZE, mayComeFromPeers: false }) });
    relay.update(0, report('a', [[0, SIZE]]), 0);
    expect(ask(relay, 0)).toMatchObject({ start: 0, from: 'source' });
  });

  test('gives up what a peer has, or fetches and owns, or brings without knowing of it', () => {
    const relay = relayWith();
    const segment = { file: 0, position: 100, end: SIZE, from: 'source' } as const;
    const known = { nodes: new Map([['0'.repeat(16), 1]]) };
    relay.update(0, report('a', [[2 * MIB, 3 * MIB]], known), 0);
    expect(relay.yields([segment], 0)).toEqual([{ segment, at: 2 * MIB }]);
    // What the other one owns and fetches; 'a' owns some pieces of nine.
    const fetching = [{ start: 0, end: SIZE }];
    relay.update(0, report('a', [], { ...known, files: new Map([[0, { written: [], fetching }]]) }), 0);
    const owned = Array.from({ length: 9 }, (_, piece) => piece).filter(
      (piece) => ownerOf(['0'.repeat(16), 'a'.repeat(16)], 'x', piece) === 'a'.repeat(16),
    );
    expect(owned.length).toBeGreaterThan(0);
    for (let piece = 0; piece < 9; piece += 1) {
      const one = { ...segment, position: piece * MIB, end: (piece + 1) * MIB };
      const expected = owned.includes(piece) ? [{ segment: one, at: piece * MIB }] : [];
      expect(relay.yields([one], 0)).toEqual(expected);
    }
    // One that knows nothing of this run brings all of it.
    relay.update(0, report('a', []), 0);
    expect(relay.yields([segment], 0)).toEqual([{ segment, at: MIB / 2 }]);
    expect(relay.yields([{ ...segment, insists: true }], 0)).toEqual([]);
    expect(relay.yields([{ ...segment, from: 0 }], 0)).toEqual([]);
    expect(relay.yields([segment], 60_000)).toEqual([]);
  });

  test('names of runs that have ended do not go round for ever', () => {
    const relay = relayWith();
    const nodes = new Map([
      ['b'.repeat(16), 1],
      ['c'.repeat(16), 7],
      ['d'.repeat(16), 8],
      ['0'.repeat(16), 1],
      ['e'.repeat(16), -5],
    ]);
    relay.update(0, report('a', [], { nodes }), 0);
    expect([...relay.nodes(0)]).toEqual([
      ['a'.repeat(16), 1],
      ['b'.repeat(16), 2],
      ['c'.repeat(16), 8],
      ['e'.repeat(16), 2],
    ]);
    expect(relay.nodes(60_000).size).toBe(0);
  });
});
