import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IntervalSet } from '../../../../src/model/interval-set.ts';
import { LinkEstimate } from '../../../../src/transfer/scheduling/link-estimate.ts';
import { Schedule } from '../../../../src/transfer/scheduling/schedule.ts';
import { fixedSizing } from '../../../support/fixed-sizing.ts';
import { type LinkModel, type SimulatedFile, simulate } from '../../../support/simulated-connections.ts';

const MIB = 1024 * 1024;

function steady(rate: number, latencyMs = 50): LinkModel {
  return { rate, latencyMs, failEveryBytes: undefined, stall: undefined };
}

function whole(size: number): SimulatedFile {
  return { size, missing: [{ start: 0, end: size }] };
}

const link: fc.Arbitrary<LinkModel> = fc.record({
  // Bytes per millisecond: 10 kB/s to 100 MB/s.
  rate: fc.oneof(fc.integer({ min: 10, max: 100 }), fc.integer({ min: 1000, max: 100_000 })),
  latencyMs: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 5000, max: 25_000 })),
  failEveryBytes: fc.option(fc.integer({ min: 100_000, max: 20 * MIB }), { nil: undefined, freq: 3 }),
  stall: fc.option(fc.record({ afterBytes: fc.integer({ min: 0, max: 20 * MIB }) }), {
    nil: undefined,
    freq: 4,
  }),
});

const file: fc.Arbitrary<SimulatedFile> = fc
  .oneof(
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 * MIB }) },
    { weight: 2, arbitrary: fc.integer({ min: 8 * MIB - 2, max: 80 * MIB }) },
    { weight: 1, arbitrary: fc.constantFrom(1, MIB, 8 * MIB, 8 * MIB + 1, 64 * MIB) },
  )
  .chain((size) =>
    fc
      .array(
        fc
          .tuple(fc.nat({ max: size }), fc.nat({ max: size }))
          .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) })),
        { maxLength: 4 },
      )
      .map((held) => ({ size, missing: new IntervalSet(held).gaps(size) })),
  );

describe('a range whose parts should be long', () => {
  const missing = [{ start: 0, end: 64 * MIB, minPartBytes: 16 * MIB }];

  test('is cut into parts of that length, where others are short', () => {
    const schedule = new Schedule({ connections: 8, sizing: fixedSizing(2 * MIB) });
    schedule.add(0, 64 * MIB, missing);
    schedule.add(1, 64 * MIB, [{ start: 0, end: 64 * MIB }]);
    const sizes = Array.from({ length: 6 }, () => {
      const { position, end } = schedule.take(0)!.segment;
      return end - position;
    });
    expect(sizes).toEqual([16, 16, 16, 16, 2, 2].map((mebibytes) => mebibytes * MIB));
  });

  test('gives a shorter part only to relieve a connection that would need long for it', () => {
    const stolen = (bytesPerMs: number) => {
      const schedule = new Schedule({ connections: 2, sizing: fixedSizing(64 * MIB, 64 * MIB) });
      schedule.add(0, 64 * MIB, missing);
      const { segment } = schedule.take(0)!;
      schedule.ask(segment, 0);
      for (let now = 100; now <= 4000; now += 100) {
        const bytes = now === 100 ? 1 : bytesPerMs * 100;
        segment.position += bytes;
        schedule.progress(segment, bytes, now);
      }
      // So much is left that half of it is less than a part should have.
      segment.position = segment.end - 20 * MIB;
      return schedule.take(4000)?.stolenFrom !== undefined;
    };
    expect(stolen(100)).toBe(true);
    expect(stolen(10_000)).toBe(false);
  });
});

describe('whatever the links do', () => {
  test('every byte is fetched exactly once, never by two connections at a time, and it ends', () => {
    fc.assert(
      fc.property(
        fc.array(file, { minLength: 1, maxLength: 12 }),
        fc.array(link, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (files, links, steps) => {
          // `simulate` itself checks that no byte is in two hands and none is written twice.
          const run = simulate({ files, links, sizing: fixedSizing(steps * 4 * MIB) });
          files.forEach(({ missing }, index) => {
            expect(run.fetched[index]!.ranges).toEqual(new IntervalSet(missing).ranges);
          });
          expect(run.empty).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('a server that ignores ranges gives the whole file to one connection, the others let go', () => {
    fc.assert(
      fc.property(
        fc.array(file, { minLength: 1, maxLength: 6 }),
        fc.array(link, { minLength: 1, maxLength: 6 }),
        (files, links) => {
          const run = simulate({
            files,
            links,
            sizing: fixedSizing(4 * MIB),
            ignoresRanges: (index) => index === 0,
          });
          files.forEach(({ missing }, index) => {
            const expected = new IntervalSet(missing);
            expect(run.fetched[index]!.gaps(files[index]!.size)).toEqual(
              index === 0 && missing.length > 0
                ? gapsBefore(missing[0]!.start)
                : expected.gaps(files[index]!.size),
            );
          });
          expect(run.empty).toBe(true);
        },
      ),
      { numRuns: 80 },
    );
  });

  test('a dropped file is not touched any more, the rest is', () => {
    fc.assert(
      fc.property(
        fc.array(file, { minLength: 2, maxLength: 6 }),
        fc.array(link, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 5000 }),
        (files, links, at) => {
          const run = simulate({ files, links, sizing: fixedSizing(4 * MIB), dropFirstFileAt: at });
          files.slice(1).forEach(({ missing }, index) => {
            expect(run.fetched[index + 1]!.ranges).toEqual(new IntervalSet(missing).ranges);
          });
          expect(run.writtenAfterDrop).toBe(0);
          expect(run.empty).toBe(true);
        },
      ),
      { numRuns: 80 },
    );
  });
});

function gapsBefore(start: number) {
  return start > 0 ? [{ start: 0, end: start }] : [];
}

describe('time', () => {
  test.each([1, 3, 8, 16])('%d equal connections share one file evenly', (connections) => {
    const size = 512 * MIB;
    const run = simulate({
      files: [whole(size)],
      links: Array.from({ length: connections }, () => steady(10_000)),
      sizing: fixedSizing(16 * MIB),
    });
    expect(run.endedAt).toBeLessThan(1.15 * (size / (10_000 * connections)) + 500);
  });

  test.each([
    ['half as fast', 5000],
    ['ten times slower', 1000],
    ['a hundred times slower', 100],
    ['a thousand times slower', 10],
  ])('one straggler, %s than seven others, costs less than a third', (_, slow) => {
    for (const files of [[whole(512 * MIB)], Array.from({ length: 40 }, () => whole(12 * MIB))]) {
      const size = files.reduce((sum, one) => sum + one.size, 0);
      const links = [...Array.from({ length: 7 }, () => steady(10_000)), steady(slow)];
      const ideal = size / (70_000 + slow);
      const run = simulate({ files, links, sizing: fixedSizing(16 * MIB) });
      expect(run.endedAt).toBeLessThan(1.3 * ideal);
    }
  });

  test('one straggler among random connections costs less than a fifth', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 5000, max: 20_000 }), { minLength: 3, maxLength: 15 }),
        fc.integer({ min: 10, max: 1000 }),
        fc.nat(),
        (rates, slow, place) => {
          const links = rates.map((rate) => steady(rate));
          links.splice(place % links.length, 0, steady(slow));
          const total = rates.reduce((sum, rate) => sum + rate, slow);
          // Half a minute of work: long enough for measurements, short enough that a straggler would show.
          const size = Math.ceil((30_000 * total) / MIB) * MIB;
          const run = simulate({ files: [whole(size)], links, sizing: fixedSizing(32 * MIB) });
          expect(run.endedAt).toBeLessThan(1.2 * (size / total));
        },
      ),
      { numRuns: 30 },
    );
  });

  test.each([100, 1000, MIB, 5 * MIB, 60 * MIB])(
    'a connection that falls silent with %d bytes to go does not hold the run up',
    (left) => {
      const size = 64 * MIB;
      const silent: LinkModel = { ...steady(10_000), stall: { afterBytes: size - left } };
      const run = simulate({
        files: [whole(size), whole(size)],
        links: [silent, steady(10_000)],
        sizing: fixedSizing(size),
      });
      expect(run.endedAt).toBeLessThan((size + left) / 10_000 + 7000);
    },
  );

  test('a small file whose server is silent goes to another connection', () => {
    const silent: LinkModel = { ...steady(10_000), stall: { afterBytes: 0 } };
    const run = simulate({ files: [whole(600)], links: [silent, steady(10_000)], sizing: fixedSizing(MIB) });
    expect(run.endedAt).toBeLessThan(7000);
  });

  test('servers that are slow to begin are waited for, although idle connections take them for lost', () => {
    const links = Array.from({ length: 8 }, () => steady(10_000, 12_000));
    const run = simulate({ files: [whole(3 * MIB), whole(20 * MIB)], links, sizing: fixedSizing(16 * MIB) });
    expect(run.endedAt).toBeLessThan(60_000);
  });

  test('small files are fetched beside large ones, not after them, and do not take all connections', () => {
    const files = [whole(400 * MIB), ...Array.from({ length: 200 }, () => whole(1000))];
    const run = simulate({
      files,
      links: Array.from({ length: 8 }, () => steady(10_000, 100)),
      sizing: fixedSizing(16 * MIB),
    });
    expect(run.endedAt).toBeLessThan(1.3 * ((400 * MIB) / 80_000 + (200 * 100) / 8));
    expect(run.mostSmallBesideLarge).toBeLessThanOrEqual(2);
  });
});

describe('the last ranges', () => {
  test('are shared out, so that no connection is idle while another has much to do', () => {
    const schedule = new Schedule({ sizing: fixedSizing(32 * MIB, 4 * MIB), connections: 4 });
    schedule.add(0, 1024 * MIB, [{ start: 5, end: 64 * MIB + 5 }]);
    const segments = [1, 2, 3, 4].map(() => schedule.take(0)!.segment);
    const sizes = segments.map(({ position, end }) => end - position);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(17 * MIB);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(4 * MIB);
    expect(segments.every(({ end }, index) => index === 3 || end % MIB === 0)).toBe(true);
  });

  test('are not cut in pieces that are not worth a request, nor for connections that may not work', () => {
    const schedule = new Schedule({ sizing: fixedSizing(32 * MIB, 4 * MIB), connections: 32 });
    schedule.add(0, 1024 * MIB, [{ start: 0, end: 4 * MIB }]);
    expect(schedule.take(0)!.segment).toMatchObject({ position: 0, end: 4 * MIB });
    schedule.add(1, 1024 * MIB, [{ start: 0, end: 32 * MIB }]);
    expect(schedule.take(0)!.segment).toMatchObject({ position: 0, end: 4 * MIB });
    expect(schedule.take(0, 3)!.segment).toMatchObject({ position: 4 * MIB, end: 14 * MIB });
  });
});

test.each([
  ['a tenth of a second', 8, false],
  ['many seconds', 1024, true],
])('a connection more, with a cold connection, for what takes the others %s', (_, mebibytes, worthIt) => {
  const schedule = new Schedule({ sizing: fixedSizing(4 * MIB, 4 * MIB), connections: 4 });
  schedule.add(0, 1024 * MIB, [{ start: 0, end: (8 + mebibytes) * MIB }]);
  const segments = [schedule.take(0)!.segment, schedule.take(0)!.segment];
  for (let at = 20; at <= 400; at += 20)
    for (const segment of segments) schedule.progress(segment, 20 * 40_000, at);
  expect(schedule.take(400)?.segment.position).toBe(worthIt ? 8 * MIB : undefined);
  // One whose connection is warm takes it in any case.
  segments[0]!.position = segments[0]!.end;
  schedule.release(segments[0]!);
  expect(schedule.take(400)?.segment.position).toBe((worthIt ? 12 : 8) * MIB);
});

describe('a steal', () => {
  const steal = (
    position: number,
    end: number,
    rate: number,
    best: number,
    now = 2000,
    isSaturated = false,
  ) => {
    const schedule = new Schedule({ sizing: fixedSizing(1024 * MIB, 1024 * MIB), connections: 3 });
    schedule.add(0, 1024 * MIB, [{ start: 0, end: 512 * MIB }]);
    schedule.add(1, 1024 * MIB, [{ start: 0, end }]);
    const fast = schedule.take(0)!.segment;
    const victim = schedule.take(0)!.segment;
    for (let at = 200; at <= now; at += 200) {
      fast.position = at * best;
      schedule.progress(fast, 200 * best, at);
      if (rate > 0) schedule.progress(victim, 200 * rate, at);
    }
    fast.position = fast.end;
    schedule.release(fast);
    victim.position = position;
    return { victim, assignment: schedule.take(now, Number.POSITIVE_INFINITY, isSaturated) };
  };

  test('leaves each connection about as much time as the other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 20_000 }),
        fc.integer({ min: 20, max: 400 }),
        (rate, mebibytes) => {
          const best = 20_000;
          const { victim, assignment } = steal(5, mebibytes * MIB, rate, best);
          const left = mebibytes * MIB - 5;
          if (left / rate <= 1000) {
            expect(assignment).toBeUndefined();
            return;
          }
          if (assignment === undefined) {
            // So little is left that a request costs more.
            expect(left / rate).toBeLessThan(5000);
            return;
          }
          const { segment, stolenFrom } = assignment;
          expect(stolenFrom).toBe(victim);
          expect(segment.position).toBe(victim.end);
          expect(segment.end).toBe(mebibytes * MIB);
          expect(victim.end).toBeGreaterThanOrEqual(victim.position);
          const kept = (victim.end - victim.position) / rate;
          const taken = (segment.end - segment.position) / best;
          expect(kept).toBeLessThan(1.5 * taken + 1500);
          expect(taken).toBeLessThan(1.5 * kept + 1500);
        },
      ),
    );
  });

  test('is not worth it shortly before the end', () => {
    expect(steal(0, 10 * MIB, 20_000, 20_000).assignment).toBeUndefined();
  });

  test.each([
    ['all connections are silent together', true, false],
    ['the others are heard of', false, true],
  ])('of a segment that was silent for two seconds while %s', (_, together, taken) => {
    const schedule = new Schedule({ sizing: fixedSizing(1024 * MIB, 1024 * MIB), connections: 3 });
    for (const file of [0, 1, 2]) schedule.add(file, 1024 * MIB, [{ start: 0, end: 30 * MIB }]);
    const segments = [0, 1, 2].map(() => schedule.take(0)!.segment);
    for (let at = 40; at <= 3000; at += 40) {
      for (const segment of segments) {
        if (at > 1000 && (together || segment === segments[1])) continue;
        // They have less than a second to go, and stay there.
        segment.position = 15 * MIB;
        schedule.progress(segment, 40 * 20_000, at);
      }
    }
    segments[0]!.position = segments[0]!.end;
    schedule.release(segments[0]!);
    const assignment = schedule.take(3000);
    expect(assignment?.stolenFrom).toBe(taken ? segments[1] : undefined);
    // Not for ever: something else may be wrong than the machine.
    expect(schedule.take(9000)?.stolenFrom).toBeDefined();
  });

  test('brings nothing sooner where the machine has no time for what comes: only what is silent is stolen', () => {
    expect(steal(5, 100 * MIB, 1000, 20_000, 2000, false).assignment).toBeDefined();
    expect(steal(5, 100 * MIB, 1000, 20_000, 2000, true).assignment).toBeUndefined();
    expect(steal(5, 100 * MIB, 0, 20_000, 6000, true).assignment).toBeDefined();
  });

  test('takes everything from a segment that has been silent for long', () => {
    const { victim, assignment } = steal(5, 100 * MIB, 0, 20_000, 6000);
    expect(assignment!.stolenFrom).toBe(victim);
    expect(victim.end).toBe(victim.position);
    expect(assignment!.segment).toMatchObject({ position: 5, end: 100 * MIB });
  });

  test('never takes from a server that sends everything in one', () => {
    const schedule = new Schedule({ sizing: fixedSizing(16 * MIB, 64 * MIB), connections: 2 });
    schedule.add(0, 64 * MIB, [{ start: 0, end: 64 * MIB }]);
    const { segment } = schedule.take(0)!;
    const other = schedule.take(0)!.segment;
    expect(schedule.takeWholeFile(segment, { start: 0, end: 64 * MIB })).toEqual([other]);
    expect(schedule.take(100_000)).toBeUndefined();
    // Released by the connection that had to let go: nothing of it comes back.
    schedule.release(other);
    expect(schedule.take(100_000)).toBeUndefined();
    segment.position = 20 * MIB;
    schedule.release(segment);
    expect(schedule.take(0)!.segment).toMatchObject({ position: 20 * MIB, end: 64 * MIB });
  });
});

test('segments end at blocks of the journal, wherever a resumed file begins', () => {
  const schedule = new Schedule({ sizing: fixedSizing(4 * MIB, 4 * MIB), connections: 1 });
  schedule.add(0, 20 * MIB, [
    { start: 5 * MIB + 7, end: 16.5 * MIB },
    { start: 19 * MIB, end: 20 * MIB },
  ]);
  const taken: [number, number][] = [];
  for (;;) {
    const segment = schedule.take(0)?.segment;
    if (segment === undefined) break;
    taken.push([segment.position / MIB, segment.end / MIB]);
    segment.position = segment.end;
    schedule.release(segment);
    schedule.release(segment);
  }
  expect(taken).toEqual([
    [5 + 7 / MIB, 10],
    [10, 14],
    [14, 16.5],
    [19, 20],
  ]);
  expect(schedule.empty).toBe(true);
});

test('a segment that goes from hand to hand without a byte is taken over less and less often, and no try is used up', () => {
  const schedule = new Schedule({ sizing: fixedSizing(4 * MIB, 4 * MIB), connections: 8 });
  schedule.add(0, 1000, [{ start: 0, end: 1000 }]);
  const { segment } = schedule.take(0)!;
  // Its connection has tried twice in vain.
  segment.tried = 2;
  schedule.ask(segment, 0);
  const takenAt: number[] = [];
  for (let now = 0; now < 600_000; now += 1000) {
    const taken = schedule.take(now);
    if (taken === undefined) continue;
    expect(taken.segment.tried).toBe(2);
    takenAt.push(now);
  }
  // Each waits twice as long as the one before: a stall limit is reached soon.
  expect(takenAt).toEqual([5000, 15_000, 35_000, 75_000, 155_000, 315_000]);
});

test('what waits for its next try keeps its place, and gives away its second half at most', () => {
  const schedule = new Schedule({ sizing: fixedSizing(64 * MIB, 4 * MIB), connections: 8 });
  schedule.add(0, 100, [{ start: 0, end: 100 }]);
  const small = schedule.take(0)!.segment;
  small.tried = 3;
  small.waiting = true;
  expect(schedule.take(60_000)).toBeUndefined();
  schedule.ask(small, 60_000);
  expect(schedule.take(64_000)).toBeUndefined();
  expect(schedule.take(65_000)?.segment).toMatchObject({ position: 0, tried: 3 });

  const other = new Schedule({ sizing: fixedSizing(64 * MIB, 4 * MIB), connections: 8 });
  other.add(0, 64 * MIB, [{ start: 0, end: 64 * MIB }]);
  const large = other.take(0, 1)!.segment;
  large.end = 64 * MIB;
  large.tried = 3;
  large.waiting = true;
  const half = other.take(60_000)!;
  expect(half.stolenFrom).toBe(large);
  expect(large).toMatchObject({ position: 0, end: 32 * MIB });
  expect(half.segment.tried ?? 0).toBe(0);
});

test('where gaps are filled with zeros, all connections stay within reach of what is written', () => {
  const schedule = new Schedule({ connections: 16, sizing: fixedSizing(64 * MIB, 64 * MIB) });
  schedule.add(0, 4096 * MIB, [{ start: 0, end: 4096 * MIB }]);
  expect(schedule.take(0)?.segment.end).toBe(64 * MIB);
  schedule.limitReach(256 * MIB);
  const ends = Array.from({ length: 15 }, () => schedule.take(0)?.segment.end ?? 0);
  expect(ends.at(-1)).toBe((64 + 15 * 16) * MIB);
  // With more connections than mebibytes, one each.
  const many = new Schedule({ connections: 256, sizing: fixedSizing(64 * MIB, 64 * MIB) });
  many.limitReach(128 * MIB);
  many.add(0, 4096 * MIB, [{ start: 0, end: 4096 * MIB }]);
  expect(many.take(0)?.segment.end).toBe(MIB);
});

describe('the estimate of a link', () => {
  const MUCH = 1024 * 1024 * MIB;
  /** No connection has anything to do. */
  const idle = () => [0];
  /** The middle of the sizes that it gives to so many requests. */
  const meanBytes = (link: LinkEstimate, count = 100): number => {
    let sum = 0;
    for (let taken = 0; taken < count; taken += 1) {
      sum += link.segmentBytes(MUCH, 16, idle);
      link.taken();
    }
    return sum / count;
  };

  test('asks for three times of what could have come while the first byte was awaited', () => {
    const link = new LinkEstimate();
    link.firstByte(200, true);
    link.measured(30_000);
    expect(meanBytes(link) / (3 * 200 * 30_000)).toBeCloseTo(1, 1);
    expect(meanBytes(link, 1)).not.toBe(meanBytes(link, 1));
  });

  test('counts the waits of connections that have served before, as soon as there is one', () => {
    const link = new LinkEstimate();
    link.firstByte(650, true);
    expect(link.waitMs).toBe(650);
    link.firstByte(150, false);
    link.firstByte(650, true);
    expect(link.waitMs).toBe(150);
  });

  test('is bounded, and smooth', () => {
    const link = new LinkEstimate();
    link.firstByte(100_000, false);
    link.measured(1_000_000);
    expect(meanBytes(link)).toBeLessThan(1.01 * 64 * MIB);
    link.firstByte(0, false);
    expect(link.waitMs).toBe(80_000);
    const near = new LinkEstimate();
    near.firstByte(0, false);
    near.measured(1000);
    expect(near.segmentBytes(MUCH, 16, idle)).toBe(4 * MIB);
  });

  test('begins with a guess that follows from how long the hub took, the first requests the shortest', () => {
    expect(new LinkEstimate(0).segmentBytes(MUCH, 16, idle)).toBeCloseTo(0.6 * 8 * MIB);
    const far = new LinkEstimate(100);
    const first = far.segmentBytes(MUCH, 16, idle);
    for (let taken = 0; taken < 16; taken += 1) far.taken();
    expect(first).toBeGreaterThan(12 * MIB);
    expect(far.segmentBytes(MUCH, 16, idle)).toBeGreaterThan(1.5 * first);
    expect(meanBytes(new LinkEstimate(10_000))).toBeLessThanOrEqual(32 * MIB);
  });

  test('gives less when less is left: two thirds of what lets all connections end together', () => {
    const link = new LinkEstimate();
    link.firstByte(300, false);
    link.measured(40_000);
    const wanted = link.segmentBytes(MUCH, 4, idle);
    const share = 26_000_000;
    const allIdle = () => [0, 0, 0, 0];
    expect(link.segmentBytes(4 * share, 4, allIdle)).toBeCloseTo(share / 1.5);
    // Two others are busy for so long that they get nothing, and the third one gets half a second less.
    const busy = () => [10_000, 0, 500, 20_000];
    const left = 2 * share + 500 * 40_000;
    expect(link.segmentBytes(left, 4, busy)).toBeCloseTo((share + 500 * 40_000) / 1.5);
    expect(link.segmentBytes(MIB, 4, allIdle)).toBeCloseTo(wanted / 5);
  });

  test('gives all of that where another wait would take longer than what it brings', () => {
    const link = new LinkEstimate();
    link.firstByte(650, false);
    link.measured(40_000);
    const ms = 1250;
    expect(link.segmentBytes(4 * ms * 40_000, 4, () => [0, 0, 0, 0])).toBeCloseTo(ms * 40_000);
    const longer = 1350;
    expect(link.segmentBytes(4 * longer * 40_000, 4, () => [0, 0, 0, 0])).toBeCloseTo(
      (longer * 40_000) / 1.5,
    );
  });
});

describe('a range that is not splittable', () => {
  const options = { sizing: fixedSizing(4 * MIB, 4 * MIB), connections: 8 };

  test('is one segment, joined to no neighbour and never shared', () => {
    const schedule = new Schedule(options);
    schedule.add(0, 1024 * MIB, [
      { start: 0, end: 3 * MIB },
      { start: 3 * MIB, end: 90 * MIB, splittable: false },
      { start: 90 * MIB, end: 91 * MIB },
    ]);
    const taken = Array.from({ length: 3 }, () => schedule.take(0)?.segment);
    expect(taken.map((segment) => [segment?.position, segment?.end])).toEqual([
      [0, 3 * MIB],
      [3 * MIB, 90 * MIB],
      [90 * MIB, 91 * MIB],
    ]);
  });

  test('is cut by no idle connection, and taken over whole when it is lost', () => {
    const schedule = new Schedule(options);
    schedule.add(0, 1024 * MIB, [{ start: 0, end: 512 * MIB, splittable: false }]);
    const first = schedule.take(0)!.segment;
    schedule.ask(first, 0);
    for (let now = 100; now <= 4000; now += 100) {
      first.position += 1000;
      schedule.progress(first, 1000, now);
      expect(schedule.take(now)).toBeUndefined();
    }
    const taken = schedule.take(20_000);
    expect(taken?.stolenFrom).toBe(first);
    expect([taken?.segment.position, taken?.segment.end]).toEqual([first.position, 512 * MIB]);
    expect(first.end).toBe(first.position);
  });

  test('given back, it stays whole', () => {
    const schedule = new Schedule(options);
    schedule.add(0, 1024 * MIB, [{ start: 0, end: 64 * MIB, splittable: false }]);
    const first = schedule.take(0)!.segment;
    first.position = MIB;
    schedule.release(first);
    const again = schedule.take(10)!.segment;
    expect([again.position, again.end]).toEqual([MIB, 64 * MIB]);
  });
});
