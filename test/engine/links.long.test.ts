import { describe, expect, test } from 'vitest';
import { hubLink, type LinkModel } from '../support/simulator/link-model.ts';
import { partOfBest, runAdaptive, runFixed } from '../support/simulator/part-of-best.ts';
import { SCENES, type SimulatedScene } from '../support/simulator/scenes.ts';

const GIB = 1024 ** 3;
/** Many transfers in virtual time: seconds of a quiet machine. */
const TIMEOUT_MS = 120_000;

/** Parts of the best of ten fixed settings, one line each. Version 0.1.0: 0.50 at worst, 0.75 in the mean. */
function parts(scenes: readonly SimulatedScene[]): [name: string, part: number][] {
  return scenes.map((scene) => [scene.link.name, Math.round(100 * partOfBest(scene)) / 100]);
}

describe('of what the best of ten fixed settings of version 0.1.0 brings, the engine brings', () => {
  test.each([
    ['near', 0.95],
    ['far', 0.85],
    ['jitter', 0.85],
    ['four files', 0.95],
  ] as const)(
    '%s: at least %f on each of twelve links',
    (family, least) => {
      const all = parts(SCENES[family]);
      const lines = all.map(([name, part]) => `${part} ${name}`).join('\n');
      expect(Math.min(...all.map(([, part]) => part)), lines).toBeGreaterThanOrEqual(least);
    },
    TIMEOUT_MS,
  );
});

/** A server near by: it answers at once, one request after the other, and more connections are more work for all. */
const lan = (rate: number): LinkModel => ({
  name: 'a server near by',
  connectionRate: rate,
  rateOf: (delivering) => rate / (1 + 0.02 * Math.abs(delivering - 4)),
  waits: { fresh: 2, warm: 1 },
  hubWaitMs: 3,
  queueMs: (connections) => 0.5 * connections,
});

test.each([900_000, 300_000])('a server near by keeps few connections, at %i bytes/ms', (rate) => {
  const scene = { link: lan(rate), files: [2 * GIB] };
  const run = runAdaptive(scene);
  expect(run.limits.at(-1)).toBeLessThanOrEqual(8);
  expect(Math.max(...run.limits)).toBeLessThanOrEqual(32);
  expect(runFixed(scene, [4, 32]).endedAt / run.endedAt).toBeGreaterThan(0.85);
});

/** Above so many connections each gets a trickle. */
const collapsing = (above: number): LinkModel => ({
  name: 'a server that collapses',
  connectionRate: 30_000,
  rateOf: (delivering) => delivering * (delivering > above ? 62 : 30_000),
  waits: { fresh: 150, warm: 50 },
  hubWaitMs: 30,
});

test.each([
  [8, 8],
  [20, 16],
])(
  'where more than %i connections starve each other, half of what %i bring comes within 10 s',
  (above, good) => {
    const scene = { link: collapsing(above), files: [8 * GIB] };
    const best = runAdaptive(scene, good);
    const run = runAdaptive(scene);
    // Over three seconds: the way there is over.
    const rate = (run.bytes[130]! - run.bytes[100]!) / 3000;
    expect(rate).toBeGreaterThanOrEqual((0.5 * 8 * GIB) / best.endedAt);
  },
);

test('connections that are new wait longer, which is not held against them', () => {
  const link = hubLink({ fresh: 650, warm: 150 }, 150);
  expect(partOfBest({ link, files: [4 * GIB] })).toBeGreaterThan(0.9);
});
