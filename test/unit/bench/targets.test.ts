import { describe, expect, test } from 'vitest';
import { renderScene, renderTargets } from '../../bench/render.ts';
import { addScenes } from '../../bench/results.ts';
import type { Run, SceneResult } from '../../bench/run.ts';
import { rowsOf } from '../../bench/summary.ts';
import { checkTargets } from '../../bench/targets.ts';

const GB = 1e9;
const FETCH = 'fetch';

/** One number of seconds per round, the first of them the warm-up. */
function scene(id: string, seconds: Readonly<Record<string, readonly number[]>>, about: Partial<Run> = {}) {
  const runs = Object.entries(seconds).flatMap(([entry, walls]) =>
    walls.map(
      (wall, round): Run => ({
        ...{ entry, round, wallMs: wall * 1000, cpuMs: 1500, mainMs: 90, peakBytes: 100e6 },
        ...{ sentBytes: GB, wantedBytes: GB, load: 0.5, ...about },
      }),
    ),
  );
  const entries = Object.keys(seconds).map((name) => [name, { verifies: 'no', command: name }]);
  const result: SceneResult = {
    ...{ id, title: `scene ${id}`, place: 'memory', reference: Object.keys(seconds)[0]! },
    ...{ files: 1000, measured: { date: '2026-11-26', commit: 'abc1234' } },
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

  test('start-up is a quotient', () => {
    const startup = scene('startup', { 'node -e 0': [1, 0.05], 'fetch --help': [1, 0.06] });
    expect(of([startup], /--help/)?.measured).toBeCloseTo(1.2);
    expect(of([startup], /--help/)?.reached).toBe(false);
  });

  test('CPU time is compared within each round', () => {
    const https = scene('https', { 'curl+openssl': [9, 2, 2, 2], fetch: [9, 2, 2, 2] });
    const noisy = [1000, 3000, 1500, 1000].map((cpuMs, round) => ({ round, cpuMs }));
    const runs = https.runs.map((run) =>
      run.entry === FETCH
        ? { ...run, cpuMs: noisy[run.round]!.cpuMs * 1.2 }
        : { ...run, ...noisy[run.round] },
    );
    expect(of([{ ...https, runs }], /^HTTPS, CPU time/)?.measured).toBeCloseTo(1.2);
  });

  test('what only a link limits is a part of that link', () => {
    const about = { wantedBytes: 156.25e6 };
    const gigabit = scene('gigabit-200', { '32 plain ranges': [9, 11], fetch: [9, 12.5] }, about);
    expect(of([gigabit], /200 ms: of the link/)).toMatchObject({ measured: 0.8, reached: false });
  });

  test('a small file costs what all of them cost', () => {
    const small = scene('small', { 'curl -Z --parallel-max 32': [1, 6], fetch: [1, 4] });
    expect(of([small], /CPU per file/)).toMatchObject({ measured: 1.5, reached: true });
    expect(of([small], /against curl -Z/)).toMatchObject({ measured: 1.5, reached: true });
  });

  test('memory and the main thread are those of the great download', () => {
    const names = { 'fetch --connections 16': [1, 1], 'fetch --connections 64': [1, 1] };
    const five = scene('five', names, { wantedBytes: 5 * GB, mainMs: 500, peakBytes: 90e6 });
    expect(of([five], /16 connections, peak/)).toMatchObject({ measured: 90, reached: false });
    expect(of([five], /64 connections, peak/)).toMatchObject({ measured: 90, reached: true });
    expect(of([five], /main thread/)?.measured).toBeCloseTo(0.1);
  });

  test('after a collapse the best rate has to come back', () => {
    const slow = Array.from({ length: 9 }, (_, index) => index * 1e4);
    const good = Array.from({ length: 9 }, (_, index) => 1e5 + index * 8e6);
    const about = { history: [0, 0, ...slow, ...good] };
    const collapse = scene('collapse', { '8 plain ranges': [1, 9], fetch: [1, 9] }, about);
    expect(of([collapse], /starves/)).toMatchObject({ measured: 1.5, reached: true });
    const never = scene('collapse', { '8 plain ranges': [1, 9], fetch: [1, 9] }, { history: [0, ...slow] });
    expect(of([never], /starves/)).toMatchObject({ measured: Number.POSITIVE_INFINITY, reached: false });
  });

  test('an older build is compared wherever it ran', () => {
    const four = scene('four', { fetch: [1, 2, 2], 'baseline: fetch': [1, 1.9, 1.9] });
    expect(of([four], /^four: fetch, .*speed/)).toMatchObject({ measured: 0.95, reached: false });
    expect(of([four], /^four: fetch, .*CPU/)).toMatchObject({ measured: 1, reached: true });
    const far = scene('wait-650', { fetch: [1, 2], 'baseline: fetch': [1, 4] });
    expect(of([far], /^wait-650: fetch, .*speed/)).toMatchObject({ measured: 2, wanted: '≥ 1.9 ×' });
  });
});

describe('results', () => {
  test('of a part of the scenes take the place of those that were measured before', () => {
    const before = [scene('http', { fetch: [1, 1] }), scene('small', { fetch: [1, 1] })];
    const again = { ...scene('small', { fetch: [1, 2] }), title: 'again' };
    const all = addScenes(
      before,
      [again, scene('four', { fetch: [1, 1] })],
      ['http', 'four', 'small', 'late'],
    );
    expect(all.map(({ id, title }) => `${id} ${title}`)).toEqual([
      'http scene http',
      'four scene four',
      'small again',
    ]);
  });
});

describe('the tables', () => {
  test('name what was not measured and who is missing', () => {
    expect(renderTargets(checkTargets([http], true))).toContain(
      '| HTTPS against aria2c with checksum | ≥ 1.5 × | not measured | - | https |',
    );
    const text = renderScene(http);
    expect(text).toContain('| curl | no | 1.00 [1.00-2.00] | 1.00 | 1.50 | 1.50 | 100 | 0.0 % | 3 |');
    expect(text).toContain('- not here: hf: not installed');
  });
});
