import { execFileSync } from 'node:child_process';
import { mkdir, rm, stat } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Command } from '../support/command.ts';
import { touchMemory } from './first-touch.ts';
import { bytesOf, type Job } from './job.ts';
import { type Measured, measure } from './measure.ts';
import { environment, type Peer, type PeerName, type Place } from './peers.ts';
import type { Entry, Scene } from './scenes.ts';
import type { Sent, Serving } from './serving.ts';
import { schedule } from './statistics.ts';
import type { Tools } from './tools.ts';

/** One run of one entry. */
export interface Run {
  readonly entry: string;
  /** 0 is the warm-up and does not count. */
  readonly round: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  /** CPU time of the main thread of the busiest process. */
  readonly mainMs: number;
  /** Accepted by the link; undefined where there is none. */
  readonly connections?: number | undefined;
  /** Bytes that the link had carried after each `HISTORY_MS`, where the scene asks for them. */
  readonly history?: readonly number[];
  /** Of file content, as the last server on the way counts it; 0 where nothing is downloaded. */
  readonly sentBytes: number;
  readonly wantedBytes: number;
  /** Of the last minute, before the run. */
  readonly load: number;
}

export interface SceneResult {
  readonly id: string;
  readonly title: string;
  readonly place: 'memory' | 'disk';
  readonly reference: string;
  /** Of the repository of its first entry. */
  readonly files: number;
  /** When, and the commit of this repository. */
  readonly measured: { readonly date: string; readonly commit: string };
  /** Entry to who verifies the bytes. */
  readonly entries: Readonly<Record<string, { verifies: string; command: string }>>;
  /** Who could not run or failed, and why. */
  readonly missing: Readonly<Record<string, string>>;
  readonly runs: readonly Run[];
}

/** How the reason begins when a tool was run and failed. */
export const FAILED = 'failed';

export interface Bench {
  readonly peers: Readonly<Record<PeerName, Peer>>;
  readonly tools: Tools;
  readonly program: string;
  readonly baseline: string | undefined;
  readonly serving: Serving;
  /** Directories for what is downloaded, and for lists and logs. */
  readonly memory: string;
  readonly disk: string;
  readonly scratch: string;
  readonly measured: SceneResult['measured'];
  readonly say: (line: string) => void;
}

/** Runs a scene to its end. An entry that fails is named as missing, and not run again. */
export async function runScene(bench: Bench, scene: Scene, rounds: number): Promise<SceneResult> {
  const missing: Record<string, string> = { ...scene.leftOut };
  const entries: Record<string, { verifies: string; command: string }> = {};
  const present = scene.entries.filter((entry) => {
    const reason = whyMissing(bench, entry);
    if (reason !== undefined) missing[entry.name] = reason;
    return reason === undefined;
  });
  const runs: Run[] = [];
  for (const { round, entries: turn } of schedule(present, rounds * scene.roundsFactor)) {
    for (const entry of turn) {
      if (missing[entry.name] !== undefined || round > (entry.maxRounds ?? round)) continue;
      try {
        const { run, command } = await runOnce(bench, scene, entry, round);
        runs.push(run);
        entries[entry.name] = {
          verifies: entry.peer === 'node' ? '' : bench.peers[entry.peer].verifies,
          command,
        };
        bench.say(progressLine(scene, run));
      } catch (error) {
        missing[entry.name] = `${FAILED} in round ${round}: ${(error as Error).message}`;
        bench.say(`${scene.id}: ${entry.name} ${missing[entry.name]}`);
      }
    }
  }
  const { id, title, place, reference } = scene;
  const files = scene.entries[0]?.job?.files.length ?? 0;
  return { id, title, place, reference, files, measured: bench.measured, entries, missing, runs };
}

function whyMissing(bench: Bench, entry: Entry): string | undefined {
  return entry.peer === 'node' ? undefined : bench.peers[entry.peer].missing;
}

async function runOnce(
  bench: Bench,
  scene: Scene,
  entry: Entry,
  round: number,
): Promise<{ run: Run; command: string }> {
  const base = join(scene.place === 'disk' ? bench.disk : bench.memory, 'run');
  const scratch = join(bench.scratch, 'run-scratch');
  // The start is measured as people meet it: their home is not new every time.
  const home = join(bench.scratch, entry.job === undefined ? 'home' : 'run-home');
  const place: Place = { target: join(base, 'target'), home, scratch };
  for (const directory of [place.target, home, scratch]) await mkdir(directory, { recursive: true });
  try {
    const { job } = entry;
    if (job !== undefined) {
      await bench.serving.prepare(job);
      touchMemory(bench.memory, bytesOf(job) * 1.5);
    }
    // What earlier runs left for the disk to do is not this one's business.
    if (scene.place === 'disk') execFileSync('sync', ['-f', base]);
    const load = loadavg()[0]!;
    const command = commandOf(bench, entry, place);
    const measured = await carryOut(bench, entry, place, command);
    if (measured.exit !== 0) throw new Error(`exit ${measured.exit}: ${measured.output.trim()}`);
    const { wallMs, cpuMs, peakBytes, mainMs } = measured;
    const sent: Sent = job === undefined ? { bytes: 0 } : await bench.serving.sent(job);
    if (job !== undefined && entry.peer !== 'node') {
      await check(bench, job, bench.peers[entry.peer], place, round === 1);
    }
    const wantedBytes = job === undefined ? 0 : bytesOf(job);
    const run: Run = {
      ...{ entry: entry.name, round, wallMs, cpuMs, peakBytes, mainMs, wantedBytes, load },
      ...{ sentBytes: sent.bytes, connections: sent.connections },
      ...(job?.link === 'collapse' ? { history: sent.history } : {}),
    };
    return { run, command: shown(command, bench, job, place) };
  } finally {
    await rm(base, { recursive: true, force: true });
    await rm(scratch, { recursive: true, force: true });
    if (entry.job !== undefined) await rm(home, { recursive: true, force: true });
  }
}

async function carryOut(bench: Bench, entry: Entry, place: Place, command: Command): Promise<Measured> {
  const { job, task, peer, options } = entry;
  if (job === undefined || peer === 'node' || task === 'download') return measure(command, place.scratch);
  if (task === 'killed') return killedAndRepeated(bench, job, command, place.scratch);
  const download = bench.peers[peer].command(job, place, options);
  const downloaded = await measure(download, place.scratch);
  return downloaded.exit === 0 ? measure(command, place.scratch) : downloaded;
}

function commandOf(bench: Bench, entry: Entry, place: Place): Command {
  if (entry.job !== undefined && entry.peer !== 'node') {
    const verify = entry.task === 'verify' ? bench.peers[entry.peer].verify?.(entry.job, place) : undefined;
    if (verify !== undefined) return verify;
    return bench.peers[entry.peer].command(entry.job, place, entry.options);
  }
  const programs: Record<string, readonly string[]> = {
    node: [process.execPath],
    fetch: [process.execPath, bench.program],
    baseline: [process.execPath, bench.baseline ?? ''],
    curl: [bench.tools.curl ?? ''],
    aria2c: [bench.tools.aria2c ?? ''],
    hf: [bench.tools.hf ?? ''],
  };
  return { argv: [...programs[entry.peer]!, ...entry.options], env: environment(undefined, place) };
}

/** Both runs together: their times added, the greater memory. */
async function killedAndRepeated(
  bench: Bench,
  job: Job,
  command: Command,
  scratch: string,
): Promise<Measured> {
  const bytes = Math.floor(bytesOf(job) / 2);
  const first = await measure(command, scratch, (kill) => {
    void bench.serving.links.call('reached', { name: job.link!, bytes }).then(kill);
  });
  if (first.exit !== 137) throw new Error(`was to be killed, but ended with ${first.exit}: ${first.output}`);
  const second = await measure(command, scratch);
  return {
    ...second,
    wallMs: first.wallMs + second.wallMs,
    cpuMs: first.cpuMs + second.cpuMs,
    peakBytes: Math.max(first.peakBytes, second.peakBytes),
    mainMs: first.mainMs + second.mainMs,
  };
}

/** Outside of the clock: every byte where it is worth the time, the sizes else. */
async function check(bench: Bench, job: Job, peer: Peer, place: Place, bytes: boolean): Promise<void> {
  for (const { path, size, source } of job.files) {
    const output = peer.output(job, place, path);
    if (output === undefined) continue;
    const found = await stat(output).then(
      (stats) => stats.size,
      () => undefined,
    );
    if (found !== size) throw new Error(`${path} has ${found ?? 'no'} bytes instead of ${size}`);
    if (bytes && source !== undefined) execFileSync('cmp', [source, output], { stdio: 'pipe' });
  }
  if (bytes && job.files.some(({ source }) => source === undefined)) {
    const directory = peer.output(job, place, '') ?? place.target;
    const differences = await bench.serving.hub.call('compare', { id: job.repo, directory });
    if (differences !== '') throw new Error(`wrong: ${differences}`);
  }
}

/** The command without the directories of this run. */
function shown({ argv }: Command, bench: Bench, job: Job | undefined, place: Place): string {
  const short = argv.map((word) =>
    word
      .replaceAll(place.target, 'TARGET')
      .replaceAll(place.scratch, 'LISTS')
      .replaceAll(job?.ca ?? '\0', 'CA')
      .replaceAll(job?.endpoint ?? '\0', 'HUB')
      .replaceAll(bench.program, 'dist/cli/main.js')
      .replace(/^\/.*\/(?=[^/]+$)/, ''),
  );
  return short.some((word) => word.includes('\n'))
    ? `curl; openssl dgst (${short.slice(-6).join(' ')})`
    : short.join(' ');
}

function progressLine(scene: Scene, { entry, round, wallMs, cpuMs, peakBytes, load }: Run): string {
  const when = round === 0 ? 'warm-up' : `round ${round}`;
  const memory = Math.round(peakBytes / 1e6);
  return `${scene.id}: ${when}: ${entry}: ${Math.round(wallMs)} ms, CPU ${Math.round(cpuMs)} ms, ${memory} MB, load ${load.toFixed(1)}`;
}
