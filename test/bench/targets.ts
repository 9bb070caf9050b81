import type { SceneResult } from './run.ts';
import { countedRuns, ratioBetween, rowsOf } from './summary.ts';

/** One line of what is to be reached. */
export interface Target {
  readonly what: string;
  /** The bound in words. */
  readonly wanted: string;
  /** NaN when the scene or one of its peers did not run. */
  readonly measured: number;
  readonly unit: string;
  readonly reached: boolean | undefined;
}

const FETCH = 'fetch';

/** The table of what the data plane is to reach, against what was measured. */
export function checkTargets(scenes: readonly SceneResult[], hasShaInstructions: boolean): Target[] {
  const of = (id: string): SceneResult | undefined => scenes.find((scene) => scene.id === id);
  const faster = (id: string, peer: string, bound: number, what: string, ours = FETCH): Target =>
    atLeast(what, bound, ratio(of(id), ours, peer));
  return [
    faster('http', 'curl+openssl', 1.4, 'HTTP, verified, against curl + openssl'),
    faster('http', 'curl', 0.9, 'HTTP, verified, against curl without verification'),
    faster('https', 'curl+openssl', 1.3, 'HTTPS against curl + openssl'),
    faster('https', 'aria2c', 1.5, 'HTTPS against aria2c with checksum'),
    faster('http', 'hf', 1.5, 'HTTP against hf download'),
    faster('https', 'hf', 1.5, 'HTTPS against hf download'),
    faster('capped', 'aria2c', 1.2, '20 MB/s per connection, defaults, against aria2c -x16'),
    faster(
      'capped',
      'aria2c',
      1.5,
      '20 MB/s per connection, 32 connections, against aria2c -x16',
      'fetch --connections 32',
    ),
    atMost(
      'one straggler among eight, time against the same without',
      1.2,
      1 / ratio(of('straggler'), 'fetch --connections 8', 'fetch --connections 8, no straggler'),
      ' ×',
    ),
    faster('small', 'hf', 4, 'small files, 50 ms away, against hf download'),
    faster('small', 'curl -Z --parallel-max 32', 0.9, 'small files, 50 ms away, against curl -Z'),
    cpu(of('http'), 1.6, 'CPU seconds per GB, HTTP', hasShaInstructions),
    cpu(of('https'), 2.2, 'CPU seconds per GB, HTTPS', hasShaInstructions),
    atMost('peak memory, 16 connections, any size', 110, peak(of('memory')), ' MB'),
    atMost('`--help` beyond `node -e 0`', 15, startup(of('startup')), ' ms'),
    atMost('bytes sent twice, worst scene', 2, sentTwice(scenes), ' %'),
  ];
}

function atLeast(what: string, bound: number, measured: number): Target {
  const reached = Number.isNaN(measured) ? undefined : measured >= bound;
  return { what, wanted: `≥ ${bound} ×`, measured, unit: ' ×', reached };
}

function atMost(what: string, bound: number, measured: number, unit: string): Target {
  const reached = Number.isNaN(measured) ? undefined : measured <= bound;
  return { what, wanted: `≤ ${bound}${unit}`, measured, unit, reached };
}

function ratio(scene: SceneResult | undefined, ours: string, theirs: string): number {
  return scene === undefined ? Number.NaN : ratioBetween(scene, ours, theirs);
}

function cpu(
  scene: SceneResult | undefined,
  bound: number,
  what: string,
  hasShaInstructions: boolean,
): Target {
  const row = scene === undefined ? undefined : rowsOf(scene).find(({ entry }) => entry === FETCH);
  const target = atMost(what, bound, row?.cpuSecondsPerGB ?? Number.NaN, ' s');
  // The bound is for processors with SHA instructions only.
  return hasShaInstructions ? target : { ...target, reached: undefined };
}

function peak(scene: SceneResult | undefined): number {
  const rows = scene === undefined ? [] : rowsOf(scene);
  // A part of the scene says nothing about "any size".
  const whole = rows.length > 0 && rows.length === Object.keys(scene!.entries).length;
  return whole ? Math.max(...rows.map(({ peakBytes }) => peakBytes)) / 1e6 : Number.NaN;
}

function startup(scene: SceneResult | undefined): number {
  const rows = scene === undefined ? [] : rowsOf(scene);
  const wall = (entry: string): number =>
    rows.find((row) => row.entry === entry)?.wallMs.median ?? Number.NaN;
  return wall('fetch --help') - wall('node -e 0');
}

/** Of ours, over all scenes but the one that kills it on purpose. */
function sentTwice(scenes: readonly SceneResult[]): number {
  const parts = scenes
    .filter(({ id }) => id !== 'resume' && id !== 'startup')
    .flatMap((scene) =>
      Object.keys(scene.entries)
        .filter((entry) => entry.startsWith(FETCH) || scene.id === 'memory')
        .flatMap((entry) => countedRuns(scene, entry)),
    )
    .map(({ sentBytes, wantedBytes }) => (sentBytes / wantedBytes - 1) * 100);
  return parts.length === 0 ? Number.NaN : Math.max(...parts);
}
