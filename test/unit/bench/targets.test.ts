import { describe, expect, test } from 'vitest';
import { renderScene, renderTargets } from '../../bench/render.ts';
import type { Run, SceneResult } from '../../bench/run.ts';
import { rowsOf } from '../../bench/summary.ts';
import { checkTargets } from '../../bench/targets.ts';

const GB = 1e9;

/** One number of seconds per round, the first of them the warm-up. */
function scene(id: string, seconds: Readonly<Record<string, readonly number[]>>, about: Partial<Run> = {}) {
  const runs = Object.entries(seconds).flatMap(([entry, walls]) =>
    walls.map(
      (wall, round): Run => ({
        ...{ entry, round, wallMs: wall * 1000, cpuMs: 1500, peakBytes: 100e6 },
        ...{ sentBytes: GB, wantedBytes: GB, load: 0.5, ...about },
      }),
    ),
  );
  const entries = Object.keys(seconds).map((name) => [name, { verifies: 'no', command: name }]);
  const result: SceneResult = {
    ...{ id, title: `scene ${id}`, place: 'memory', reference: Object.keys(seconds)[0]! },
    ...{ entries: Object.fromEntries(entries), missing: { hf: 'not installed' }, runs },
  };
  return result;
}

const http = scene('http', { curl: [99, 1, 2, 1], 'curl+openssl': [99, 2, 3, 2], fetch: [99, 1, 2, 2] });

describe('rows', () => {
  test('leave the warm-up out', () => {
    const fetch = rowsOf(http).find(({ entry }) => entry === 'fetch');
    expect(fetch).toMatchObject({ rounds: 3, wallMs: { median: 2000, min: 1000, max: 2000 }, ratio: 1 });
    expect(fetch?.cpuSecondsPerGB).toBe(1.5);
    expect(fetch?.sentTwice).toBe(0);
  });
});

describe('targets', () => {
  const of = (scenes: readonly SceneResult[], what: RegExp, sha = true) =>
    checkTargets(scenes, sha).find((target) => what.test(target.what));

  test('are reached, missed, or not measured', () => {
    expect(of([http], /^HTTP.*openssl/)).toMatchObject({ measured: 1.5, reached: true });
    expect(of([http], /^HTTP.*without/)).toMatchObject({ measured: 1, reached: true });
    expect(of([http], /^HTTP against hf/)).toMatchObject({ measured: Number.NaN, reached: undefined });
    expect(of([], /^HTTPS.*aria2c/)).toMatchObject({ reached: undefined });
    const slow = scene('http', { curl: [9, 1], fetch: [9, 2] });
    expect(of([slow], /^HTTP.*without/)).toMatchObject({ measured: 0.5, reached: false });
  });

  test('a straggler is counted by the time that it adds', () => {
    const alone = 'fetch --connections 8, no straggler';
    const straggler = scene('straggler', { [alone]: [0, 2, 2], 'fetch --connections 8': [0, 3, 3] });
    expect(of([straggler], /straggler/)).toMatchObject({ measured: 1.5, reached: false });
  });

  test('the CPU bound is for processors with SHA instructions', () => {
    expect(of([http], /CPU seconds per GB, HTTP$/)).toMatchObject({ measured: 1.5, reached: true });
    expect(of([http], /CPU seconds per GB, HTTP$/, false)).toMatchObject({ reached: undefined });
  });

  test('only our own bytes can be sent twice, and not where we were killed', () => {
    const twice = { sentBytes: 1.05 * GB };
    const theirs = scene('http', { aria2c: [1, 1] }, twice);
    const killed = scene('resume', { fetch: [1, 1] }, twice);
    expect(of([theirs, killed, http], /twice/)).toMatchObject({ measured: 0, reached: true });
    const ours = of([scene('four', { fetch: [1, 1] }, twice)], /twice/);
    expect(ours?.measured).toBeCloseTo(5);
    expect(ours?.reached).toBe(false);
  });

  test('start-up is a difference', () => {
    const startup = scene('startup', { 'node -e 0': [1, 0.05], 'fetch --help': [1, 0.06] });
    expect(of([startup], /--help/)?.measured).toBeCloseTo(10);
  });
});

describe('the tables', () => {
  test('name what was not measured and who is missing', () => {
    expect(renderTargets(checkTargets([http], true))).toContain(
      '| HTTPS against aria2c with checksum | ≥ 1.5 × | not measured | - |',
    );
    const text = renderScene(http);
    expect(text).toContain('| curl | no | 1.00 [1.00-2.00] | 1.00 | 1.50 | 1.50 | 100 | 0.0 % | 3 |');
    expect(text).toContain('- not here: hf: not installed');
  });
});
