import type { SceneResult } from './run.ts';
import { COLLAPSE, LINKS, type LinkName } from './serving.ts';
import { median, recoveredAfter } from './statistics.ts';
import { countedRuns, type Row, ratioBetween, rowsOf } from './summary.ts';
import { HISTORY_MS } from './throttle.ts';

/** One line of what is to be reached. */
export interface Target {
  /** The scene that it is about; empty for all. `npm run bench -- --scenes ID` measures it. */
  readonly scene: string;
  readonly what: string;
  /** The bound in words. */
  readonly wanted: string;
  /** NaN when the scene or one of its peers did not run. */
  readonly measured: number;
  readonly unit: string;
  readonly reached: boolean | undefined;
}

/** What a target is computed from. */
interface Measured {
  readonly id: string;
  readonly result: SceneResult | undefined;
}

const FETCH = 'fetch';
/** An older build beside each entry of ours (`--baseline`). */
const BASELINE = 'baseline: ';

/** The table of what is to be reached, against what was measured. */
export function checkTargets(scenes: readonly SceneResult[], hasShaInstructions: boolean): Target[] {
  const of = (id: string): Measured => ({ id, result: scenes.find((scene) => scene.id === id) });
  return [
    ...realLinks(of),
    ...thisMachine(of, hasShaInstructions),
    faster(of('small'), 'curl -Z --parallel-max 32', 1.4, 'small files, 50 ms away, against curl -Z'),
    atMost('small', 'small files, CPU per file', 1.5, cpuPerFile(of('small')), ' ms'),
    faster(of('small'), 'hf', 4, 'small files, 50 ms away, against hf download'),
    atMost('five', '5 GB, HTTPS, 16 connections, peak memory', 85, memory(of('five'), '16'), ' MB'),
    atMost('five', '5 GB, HTTPS, 64 connections, peak memory', 95, memory(of('five'), '64'), ' MB'),
    atMost('five', 'main thread, CPU seconds per GB', 0.08, mainThread(of('five')), ' s'),
    ...starts(of('startup')),
    atMost('', 'bytes sent twice, worst scene', 1, sentTwice(scenes), ' %'),
    ...scenes.flatMap(againstBefore),
  ];
}

/** Links as people have them: a rate per connection, a wait before each answer. */
function realLinks(of: (id: string) => Measured): Target[] {
  const bounds: readonly (readonly [number, number, number])[] = [
    [50, 1, 0.75],
    [200, 1, 0.67],
    [650, 0.95, 0.7],
  ];
  return [
    ...bounds.flatMap(([wait, of32, of64]) => {
      const scene = of(`wait-${wait}`);
      const what = `first byte after ${wait} ms, against`;
      return [
        faster(scene, '32 plain ranges', of32, `${what} 32 plain ranges that check nothing`),
        faster(scene, '64 plain ranges', of64, `${what} 64 plain ranges`),
      ];
    }),
    atLeast('gigabit-650', '1 Gbit/s in all, 650 ms: of the link', 0.92, ofLink(of('gigabit-650')), ''),
    atLeast('gigabit-200', '1 Gbit/s in all, 200 ms: of the link', 0.95, ofLink(of('gigabit-200')), ''),
    faster(of('capped'), 'aria2c', 2, '20 MB/s per connection, against aria2c -x16 with checksum'),
    atMost(
      'straggler',
      'one straggler among eight, time against the same without',
      1.12,
      1 / ratio(of('straggler'), 'fetch --connections 8', 'fetch --connections 8, no straggler'),
      ' ×',
    ),
    atMost(
      'collapse',
      'a host that starves: half of its best rate after',
      10,
      recovered(of('collapse')),
      ' s',
    ),
    atMost('late', 'small repository, every answer 200 ms late', 0.8, wall(of('late'), FETCH) / 1000, ' s'),
  ];
}

/** No limit but the processors, which client and servers share. */
function thisMachine(of: (id: string) => Measured, hasShaInstructions: boolean): Target[] {
  return [
    faster(of('http'), 'curl', 1, 'HTTP, verified, against curl without verification'),
    faster(of('http'), 'curl+openssl', 1.4, 'HTTP against curl, then openssl'),
    faster(of('http'), 'hf', 1.5, 'HTTP against hf download'),
    cpu(of('http'), 1.6, 'CPU seconds per GB, HTTP', hasShaInstructions),
    faster(of('https'), 'aria2c', 1.5, 'HTTPS against aria2c with checksum'),
    faster(of('https'), 'hf', 1.5, 'HTTPS against hf download'),
    atMost(
      'https',
      'HTTPS, CPU time against curl, then openssl',
      1.12,
      cpuRatio(of('https').result, FETCH, 'curl+openssl'),
      ' ×',
    ),
    cpu(of('https'), 2.2, 'CPU seconds per GB, HTTPS', hasShaInstructions),
  ];
}

function starts(startup: Measured): Target[] {
  return ['fetch --help', 'fetch --version'].map((entry) => {
    const times = wall(startup, entry) / wall(startup, 'node -e 0');
    return atMost('startup', `\`${entry}\`, time against \`node -e 0\``, 1.15, times, ' ×');
  });
}

/** With `--baseline`, of every entry of ours. */
function againstBefore(scene: SceneResult): Target[] {
  const ours = Object.keys(scene.entries).filter((entry) => `${BASELINE}${entry}` in scene.entries);
  return ours.flatMap((entry) => {
    const before = BASELINE + entry;
    const what = `${scene.id}: ${entry}, against the baseline`;
    const row = (name: string): Row | undefined => rowsOf(scene).find((one) => one.entry === name);
    const peak = (row(entry)?.peakBytes ?? Number.NaN) / (row(before)?.peakBytes ?? Number.NaN);
    const faster = { 'wait-50': 1.2, 'wait-200': 1.6, 'wait-650': 1.9 }[scene.id] ?? 0.97;
    return [
      atLeast(scene.id, `${what}: speed`, faster, ratioBetween(scene, entry, before)),
      atMost(scene.id, `${what}: CPU time`, 1.03, cpuRatio(scene, entry, before), ' ×'),
      atMost(scene.id, `${what}: peak memory`, 1.03, peak, ' ×'),
    ];
  });
}

function faster({ id, result }: Measured, peer: string, bound: number, what: string): Target {
  return atLeast(id, what, bound, ratio({ id, result }, FETCH, peer));
}

function atLeast(scene: string, what: string, bound: number, measured: number, unit = ' ×'): Target {
  const reached = Number.isNaN(measured) ? undefined : measured >= bound;
  return { scene, what, wanted: `≥ ${bound}${unit}`, measured, unit, reached };
}

function atMost(scene: string, what: string, bound: number, measured: number, unit: string): Target {
  const reached = Number.isNaN(measured) ? undefined : measured <= bound;
  return { scene, what, wanted: `≤ ${bound}${unit}`, measured, unit, reached };
}

function ratio({ result }: Measured, ours: string, theirs: string): number {
  return result === undefined ? Number.NaN : ratioBetween(result, ours, theirs);
}

/** CPU time of one entry by that of another, as the median over the rounds that both have. */
function cpuRatio(scene: SceneResult | undefined, ours: string, theirs: string): number {
  if (scene === undefined) return Number.NaN;
  const other = new Map(countedRuns(scene, theirs).map((run) => [run.round, run.cpuMs]));
  return median(
    countedRuns(scene, ours).flatMap(({ round, cpuMs }) => {
      const theirMs = other.get(round);
      return theirMs === undefined ? [] : [cpuMs / theirMs];
    }),
  );
}

function rows({ result }: Measured): Row[] {
  return result === undefined ? [] : rowsOf(result);
}

function wall(scene: Measured, entry: string): number {
  return rows(scene).find((row) => row.entry === entry)?.wallMs.median ?? Number.NaN;
}

function cpu(scene: Measured, bound: number, what: string, hasShaInstructions: boolean): Target {
  const row = rows(scene).find(({ entry }) => entry === FETCH);
  const target = atMost(scene.id, what, bound, row?.cpuSecondsPerGB ?? Number.NaN, ' s');
  // The bound is for processors with SHA instructions only.
  return hasShaInstructions ? target : { ...target, reached: undefined };
}

function cpuPerFile(scene: Measured): number {
  const row = rows(scene).find(({ entry }) => entry === FETCH);
  return (row?.cpuMs ?? Number.NaN) / (scene.result?.files ?? Number.NaN);
}

function memory(scene: Measured, connections: string): number {
  const row = rows(scene).find(({ entry }) => entry === `fetch --connections ${connections}`);
  return (row?.peakBytes ?? Number.NaN) / 1e6;
}

function mainThread({ result }: Measured): number {
  const runs = result === undefined ? [] : countedRuns(result, 'fetch --connections 64');
  return median(runs.map(({ mainMs, wantedBytes }) => mainMs / 1000 / (wantedBytes / 1e9)));
}

/** What part of the rate of its link a scene used. */
function ofLink(scene: Measured): number {
  const { totalBytesPerSecond } = LINKS[scene.id.replace('-', ' ') as LinkName];
  const bytes = scene.result?.runs[0]?.wantedBytes ?? Number.NaN;
  return bytes / (wall(scene, FETCH) / 1000) / (totalBytesPerSecond ?? Number.NaN);
}

/** Seconds until half of what the connections bring that the host endures; infinite if never. */
function recovered({ result }: Measured): number {
  const runs = result === undefined ? [] : countedRuns(result, FETCH);
  const wanted = (COLLAPSE.above * COLLAPSE.each) / 2;
  return median(runs.map(({ history = [] }) => recoveredAfter(history, HISTORY_MS, wanted) / 1000));
}

/** Of ours, over all scenes but the one that kills it on purpose and those that send nothing. */
function sentTwice(scenes: readonly SceneResult[]): number {
  const parts = scenes
    .filter(({ id }) => id !== 'resume' && id !== 'startup' && !id.startsWith('verify'))
    .flatMap((scene) =>
      Object.keys(scene.entries)
        .filter((entry) => entry.startsWith(FETCH) || scene.id === 'memory')
        .flatMap((entry) => countedRuns(scene, entry)),
    )
    .map(({ sentBytes, wantedBytes }) => (sentBytes / wantedBytes - 1) * 100);
  return parts.length === 0 ? Number.NaN : Math.max(...parts);
}
