/** `npm run bench`: the built program beside its peers, on this machine. See `--help`. */
import { existsSync, rmSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { holdMemory } from './first-touch.ts';
import { commitOf, describeMachine, describePlace, memoryPlace } from './machine.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { type Build, makePeers } from './peers.ts';
import { renderAll, type Setting } from './render.ts';
import { addToLatest, summarise, writeDay, writeLatest } from './results.ts';
import { FAILED, runScene, type SceneResult } from './run.ts';
import { buildScaled } from './scaled-build.ts';
import { makeScenes, type Scene, type SceneFacts, withBaseline } from './scenes.ts';
import { contentBytes, type RepositoryName, Serving } from './serving.ts';
import { findTools, type Tools, toolsDirectory } from './tools.ts';

// This file runs as build/bench/bench/main.js.
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv, {
    program: join(ROOT, 'dist/cli/main.js'),
    disk: tmpdir(),
    results: join(ROOT, 'test/bench/results'),
  });
  if (options === 'help') {
    console.log(USAGE);
    return 0;
  }
  if (options === 'list') {
    const { scenes } = outline({ size: 2 ** 30, count: 2000 });
    for (const { id, title, place } of scenes) console.log(`${id.padEnd(14)}${title} (${place})`);
    return 0;
  }
  const tools = findTools(toolsDirectory(process.env));
  const { nginx, openssl } = tools;
  if (nginx === undefined || openssl === undefined) {
    say('bench: needs nginx and openssl: sh test/bench/prepare.sh');
    return 2;
  }
  const program = resolve(options.program);
  const baseline = options.baseline === undefined ? undefined : resolve(options.baseline);
  for (const file of [program, ...(baseline === undefined ? [] : [baseline])]) {
    if (existsSync(file)) continue;
    say(`bench: ${file} is not there: npm run build`);
    return 2;
  }

  const { repositories } = outline(options);
  const memoryBase = memoryPlace(contentBytes(repositories, options.size) * 1.2 + 2 ** 28);
  const memory = await mkdtemp(join(memoryBase, 'fetch-bench-'));
  const disk = await mkdtemp(join(resolve(options.disk), 'fetch-bench-'));
  // The workers of nginx belong to another user.
  await chmod(memory, 0o755);
  const serving = new Serving(memory);
  const cleanUp = (): void => {
    for (const directory of [memory, disk]) rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void serving.stop().then(() => process.exit(130)));
  }
  try {
    say(`bench: making content in ${memory}`);
    if (options.ballast > 0) holdMemory(memory, options.ballast);
    await serving.start(memory, { nginx, openssl }, { ...options, repositories });
    const ours = builder(program, join(memory, 'scaled'));
    const before = baseline === undefined ? undefined : builder(baseline, join(memory, 'scaled-baseline'));
    const machine = describeMachine(resolve(program, '../../..'));
    const date = new Date().toISOString().slice(0, 10);
    const bench = {
      ...{ peers: makePeers(tools, ours, before), tools, program, baseline, serving, say },
      ...{ memory, disk, scratch: memory, measured: { date, commit: machine.commit } },
    };
    const scenes = chosen(
      withBaseline(
        makeScenes(options, (name, route) => serving.job(name, route)),
        baseline,
      ),
      options,
    );
    const setting: Setting = {
      ...machine,
      date,
      host: hostname(),
      versions: versionsOf(tools, baseline),
      places: { memory: describePlace(memoryBase), disk: describePlace(resolve(options.disk)) },
      rounds: options.rounds,
      size: options.size,
      count: options.count,
      command: ['npm run bench', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' '),
    };
    const results: SceneResult[] = [];
    const ids = outline({ size: options.size, count: options.count }).scenes.map(({ id }) => id);
    for (const scene of scenes) {
      const start = performance.now();
      results.push(await runScene(bench, scene, options.rounds));
      say(`${scene.id}: done in ${Math.round((performance.now() - start) / 1000)} s`);
      // After each: half an hour of measuring must not be lost to its last minute.
      if (options.results !== undefined && options.add) {
        await addToLatest(options.results, summarise(setting, results), ids);
      } else if (options.results !== undefined) {
        await writeDay(options.results, !isWhole(options), summarise(setting, results));
      }
    }
    const summary = summarise(setting, results);
    process.stdout.write(renderAll(setting, results, summary.targets));
    if (options.results !== undefined && isWhole(options)) {
      await writeLatest(options.results, summary);
    }
    const failed = results.some(({ missing }) =>
      Object.values(missing).some((why) => why.startsWith(FAILED)),
    );
    return failed ? 1 : 0;
  } finally {
    await serving.stop();
  }
}

function versionsOf({ versions }: Tools, baseline: string | undefined): Readonly<Record<string, string>> {
  return baseline === undefined
    ? versions
    : { ...versions, baseline: commitOf(resolve(baseline, '../../..')) };
}

/** Builds for scaled links when they are asked for. */
function builder(program: string, directory: string): Build {
  const scaled = new Map([[1, program]]);
  return (scale) => {
    const known = scaled.get(scale) ?? buildScaled(program, scale, `${directory}-${scale}`);
    scaled.set(scale, known);
    return known;
  };
}

/** The scenes without anything to download, and whose content they need. */
function outline(options: SceneFacts & Partial<Pick<BenchOptions, 'scenes' | 'peers'>>) {
  const nothing = {
    endpoint: '',
    cdnBase: '',
    commit: '',
    files: [],
    ca: undefined,
    link: undefined,
    scale: 1,
  };
  const all = makeScenes(options, (repo) => ({ ...nothing, repo }));
  const scenes = chosen(all, { scenes: options.scenes, peers: options.peers });
  const repositories = new Set(
    scenes.flatMap(({ entries }) =>
      entries.flatMap(({ job }) => (job === undefined ? [] : [job.repo as RepositoryName])),
    ),
  );
  return { scenes, repositories };
}

/** Only such a run may stand for all: a part of the scenes would leave the others without figures. */
function isWhole({ scenes, peers, baseline }: BenchOptions): boolean {
  return scenes === undefined && peers === undefined && baseline === undefined;
}

/** The scenes and peers that were asked for. */
function chosen(
  scenes: readonly Scene[],
  { scenes: ids, peers }: Pick<BenchOptions, 'scenes' | 'peers'>,
): Scene[] {
  const unknown = ids?.find((id) => !scenes.some((scene) => scene.id === id));
  if (unknown !== undefined) throw new Error(`no scene ${unknown}; see --list`);
  return scenes
    .filter(({ id }) => ids === undefined || ids.includes(id))
    .map((scene) => {
      const entries = scene.entries.filter(
        ({ peer }) => peer === 'node' || peers === undefined || peers.includes(peer),
      );
      const notAsked = scene.entries.filter((entry) => !entries.includes(entry));
      const leftOut = Object.fromEntries(notAsked.map(({ name }) => [name, 'not asked for (--peers)']));
      return { ...scene, entries, leftOut: { ...scene.leftOut, ...leftOut } };
    });
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  say(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
});
