/** `npm run bench`: the built program beside its peers, on this machine. See `--help`. */
import { existsSync, rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { holdMemory } from './first-touch.ts';
import { describeMachine, describePlace, memoryPlace } from './machine.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { makePeers } from './peers.ts';
import { renderAll, type Setting } from './render.ts';
import { FAILED, runScene, type SceneResult } from './run.ts';
import { makeScenes, type Scene, withBaseline } from './scenes.ts';
import { Serving } from './serving.ts';
import { checkTargets } from './targets.ts';
import { findTools } from './tools.ts';

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
    const nothing = { endpoint: '', cdnBase: '', repo: '', commit: '', files: [], ca: undefined };
    const scenes = makeScenes({ size: 2 ** 30, count: 2000 }, () => ({ ...nothing, link: undefined }));
    for (const { id, title, place } of scenes) console.log(`${id.padEnd(12)}${title} (${place})`);
    return 0;
  }
  const tools = findTools(ROOT);
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

  // Content is 3.25 times the size; the largest download twice.
  const memoryBase = memoryPlace(options.size * 5.5 + 2 ** 28);
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
    await serving.start(memory, { nginx, openssl }, options);
    const bench = {
      ...{ peers: makePeers(tools, program, baseline), tools, program, baseline, serving, say },
      ...{ memory, disk, scratch: memory },
    };
    const scenes = chosen(
      withBaseline(
        makeScenes(options, (name, route) => serving.job(name, route)),
        baseline,
      ),
      options,
    );
    const machine = describeMachine(ROOT);
    const setting: Setting = {
      ...machine,
      date: new Date().toISOString().slice(0, 10),
      host: hostname(),
      versions: tools.versions,
      places: { memory: describePlace(memoryBase), disk: describePlace(resolve(options.disk)) },
      rounds: options.rounds,
      size: options.size,
      count: options.count,
      command: ['npm run bench', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' '),
    };
    const results: SceneResult[] = [];
    const summary = () => ({
      setting,
      targets: checkTargets(results, machine.shaInstructions),
      scenes: results,
    });
    for (const scene of scenes) {
      const start = performance.now();
      results.push(await runScene(bench, scene, options.rounds));
      say(`${scene.id}: done in ${Math.round((performance.now() - start) / 1000)} s`);
      // After each: half an hour of measuring must not be lost to its last minute.
      await writeJson(options, setting, summary());
    }
    const text = renderAll(setting, results, summary().targets);
    process.stdout.write(text);
    if (options.results !== undefined && isWhole(options)) {
      await writeFile(join(options.results, 'latest.json'), asJson(summary()));
      await writeFile(join(options.results, 'latest.md'), text);
    }
    const failed = results.some(({ missing }) =>
      Object.values(missing).some((why) => why.startsWith(FAILED)),
    );
    return failed ? 1 : 0;
  } finally {
    await serving.stop();
  }
}

/** Only such a run may stand for all: a part of the scenes would leave the others without figures. */
function isWhole({ scenes, peers, baseline }: BenchOptions): boolean {
  return scenes === undefined && peers === undefined && baseline === undefined;
}

async function writeJson(options: BenchOptions, setting: Setting, summary: unknown): Promise<void> {
  if (options.results === undefined) return;
  await mkdir(options.results, { recursive: true });
  const host = setting.host.replace(/[^\w.-]/g, '_');
  const name = `${setting.date}-${host}${isWhole(options) ? '' : '-part'}.json`;
  await writeFile(join(options.results, name), asJson(summary));
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** The scenes and peers that were asked for. */
function chosen(scenes: readonly Scene[], { scenes: ids, peers }: BenchOptions): Scene[] {
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
