import type { Run, SceneResult } from './run.ts';
import { type InRound, median, type Spread, spread, timesFaster } from './statistics.ts';

/** What the counted rounds of one entry come to. */
export interface Row {
  readonly entry: string;
  readonly verifies: string;
  readonly rounds: number;
  readonly wallMs: Spread;
  /** Times as fast as the reference of the same round. */
  readonly ratio: number;
  readonly cpuMs: number;
  /** NaN where nothing is downloaded. */
  readonly cpuSecondsPerGB: number;
  /** The highest of all rounds. */
  readonly peakBytes: number;
  /** Sent beyond what was wanted, as a part of it; the highest of all rounds. */
  readonly sentTwice: number;
}

export function countedRuns(scene: SceneResult, entry: string): Run[] {
  return scene.runs.filter((run) => run.entry === entry && run.round > 0);
}

export function rowsOf(scene: SceneResult): Row[] {
  return Object.entries(scene.entries).flatMap(([entry, { verifies }]) => {
    const runs = countedRuns(scene, entry);
    return runs.length === 0 ? [] : [rowOf(scene, entry, verifies, runs)];
  });
}

function rowOf(scene: SceneResult, entry: string, verifies: string, runs: readonly Run[]): Row {
  const wanted = runs[0]!.wantedBytes;
  const cpuMs = median(runs.map((run) => run.cpuMs));
  return {
    entry,
    verifies,
    rounds: runs.length,
    wallMs: spread(runs.map((run) => run.wallMs)),
    ratio: ratioBetween(scene, entry, scene.reference),
    cpuMs,
    cpuSecondsPerGB: wanted === 0 ? Number.NaN : cpuMs / 1000 / (wanted / 1e9),
    peakBytes: Math.max(...runs.map((run) => run.peakBytes)),
    sentTwice: wanted === 0 ? Number.NaN : Math.max(...runs.map((run) => run.sentBytes / wanted - 1)),
  };
}

/** How many times faster the first is than the second; NaN if one of them did not run. */
export function ratioBetween(scene: SceneResult, ours: string, theirs: string): number {
  return timesFaster(walls(scene, ours), walls(scene, theirs));
}

function walls(scene: SceneResult, entry: string): InRound[] {
  return countedRuns(scene, entry).map(({ round, wallMs }) => ({ round, value: wallMs }));
}
