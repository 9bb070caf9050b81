/**
 * `npm run bench:xet`: downloads through the content store beside the official client, `hf_xet` 1.8, from one and the
 * same server that `hf_xet` itself has filled: bytes on the wire, time, memory, updates, kills. Results as a table.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Command } from '../support/command.ts';
import { downloadCommand } from '../support/xet/hf-xet.ts';
import { touchMemory } from './first-touch.ts';
import { Helper } from './helper.ts';
import { describeMachine, memoryPlace } from './machine.ts';
import { type Measured, measure } from './measure.ts';
import { environment } from './peers.ts';
import { median, schedule } from './statistics.ts';
import { findTools, toolsDirectory } from './tools.ts';
import type { XetCounts, XetFacts, XetMethods } from './xet-process.ts';

// This file runs as build/bench/bench/xet.js.
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const KILLS = 10;
/** Of each connection, where programs are killed: at full speed one would end before it is killed. */
const KILLED_RATE = 30e6;
const KILLED = ['fetch --protocol xet', 'hf_xet'] as const;
const CLIENTS = ['fetch --protocol xet', 'hf_xet', 'hf download', 'fetch --protocol http'] as const;

type Client = (typeof CLIENTS)[number];

interface Asked {
  readonly repo: string;
  readonly revision: string;
  readonly target: string;
  readonly options?: readonly string[];
}

interface Run extends Measured, XetCounts {}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

class XetBench {
  readonly lines: string[] = [];
  readonly #server: Helper<XetMethods>;
  readonly #facts: XetFacts;
  readonly #directory: string;
  readonly #tools: { readonly program: string; readonly hf: string; readonly python: string };

  constructor(
    server: Helper<XetMethods>,
    facts: XetFacts,
    directory: string,
    tools: { program: string; hf: string; python: string },
  ) {
    this.#server = server;
    this.#facts = facts;
    this.#directory = directory;
    this.#tools = tools;
  }

  /** The whole file, by each client in each round. */
  async whole(rounds: number): Promise<void> {
    const runs = new Map<Client, Run[]>(CLIENTS.map((client) => [client, []]));
    for (const { round, entries } of schedule(CLIENTS, rounds)) {
      for (const client of entries) {
        const run = await this.#fresh(client, 'bench/whole');
        if (round > 0) runs.get(client)?.push(run);
        say(`whole: round ${round}: ${client}: ${Math.round(run.wallMs)} ms, ${inMB(run.peakBytes)} MB`);
      }
    }
    const { size } = this.#facts.whole;
    this.#table(`A file of ${inMB(size)} MB, nothing there before; medians of ${rounds} rounds`, [
      ['', 'seconds', 'CPU s', 'peak MB (highest)', 'xorbs MB', 'all MB on the wire', 'of the file'],
      ...CLIENTS.map((client) => {
        const all = runs.get(client) ?? [];
        const of = (value: (run: Run) => number): number => median(all.map(value));
        return [
          ...[client, inSeconds(of((run) => run.wallMs)), inSeconds(of((run) => run.cpuMs))],
          ...[inMB(Math.max(...all.map((run) => run.peakBytes))), inMB(of((run) => run.xorbs))],
          ...[inMB(of((run) => run.all)), inPercent(of((run) => run.all) / size)],
        ];
      }),
    ]);
  }

  /** The next version of a file whose first version is there already. */
  async updates(): Promise<void> {
    const rows: string[][] = [];
    for (const repo of ['bench/header', 'bench/low-bits']) {
      for (const [what, first, second] of UPDATES) rows.push(await this.#update(repo, what, first, second));
    }
    this.#table(
      'Updates: header = 337 bytes longer and one tensor of 8 MiB replaced, low-bits = 30 % of the lowest bits of a tensor of 63 MB',
      [['', '', 'seconds', 'CPU s', 'peak MB', 'all MB on the wire', 'of the file'], ...rows],
    );
  }

  /** Killed after each eleventh of what a run without a kill brings, then run to its end. */
  async kills(): Promise<void> {
    const rows: string[][] = [];
    for (const client of KILLED) {
      const undisturbed = await this.#fresh(client, 'bench/whole', KILLED_RATE);
      const place = this.#place();
      const asked = { repo: 'bench/whole', revision: 'main', target: place.target };
      const command = this.#command(client, asked, await this.#prepare(KILLED_RATE));
      let open = 0;
      let before = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        open += await this.#killed(command, before + undisturbed.xorbs / (KILLS + 1));
        before = (await this.#server.call('count')).xorbs;
      }
      const run = await this.#finish(command, asked);
      const twice = run.xorbs - undisturbed.xorbs;
      say(`killed: ${client}: ${inMB(twice)} MB twice, ${open} connections`);
      rows.push([
        ...[client, inMB(undisturbed.xorbs), inMB(run.xorbs), inMB(twice), inMB(twice / KILLS)],
        inMB(twice / open, 2),
      ]);
      this.#clean();
    }
    this.#table(`kill -9 × ${KILLS}, ${inMB(KILLED_RATE)} MB/s per connection`, [
      ['', 'xorbs MB, no kill', 'xorbs MB, kills', 'MB twice', 'per kill', 'per kill and open request'],
      ...rows,
    ]);
  }

  async #update(
    repo: string,
    what: string,
    first: readonly string[],
    client: Client | 'fetch',
  ): Promise<string[]> {
    const { target } = this.#place();
    const sibling = what.includes('beside') ? `${target}-next` : target;
    const one = client === 'hf download' ? client : 'fetch';
    const old = { repo, revision: 'main', target, options: first };
    await this.#finish(this.#command(one, old, await this.#prepare()), old);
    const asked = { repo, revision: 'next', target: sibling };
    const run = await this.#finish(this.#command(one, asked, await this.#prepare()), asked);
    this.#clean();
    say(`update: ${repo}, ${what}: ${inMB(run.all)} MB`);
    const size = repo === 'bench/header' ? (22 * 8) << 20 : 3 * 63_000_000;
    return [
      ...[repo.slice('bench/'.length), what, inSeconds(run.wallMs), inSeconds(run.cpuMs)],
      ...[inMB(run.peakBytes), inMB(run.all), inPercent(run.all / size)],
    ];
  }

  /** One download into an empty directory, compared with what it should be. */
  async #fresh(client: Client, repo: string, bytesPerSecond?: number): Promise<Run> {
    const { target } = this.#place();
    touchMemory(this.#directory, this.#facts.whole.size * 1.5);
    const asked = { repo, revision: 'main', target };
    const run = await this.#finish(this.#command(client, asked, await this.#prepare(bytesPerSecond)), asked);
    this.#clean();
    return run;
  }

  /** Kills the program when so many bytes of xorbs have been sent; the requests that were open then. */
  async #killed(command: Command, bytes: number): Promise<number> {
    let open = 0;
    let ended = false;
    await measure(command, this.#place().scratch, (kill) => {
      void (async () => {
        for (;;) {
          const counts = await this.#server.call('count');
          if (ended) return;
          if (counts.xorbs < bytes) {
            await sleep(5);
            continue;
          }
          open = counts.open;
          kill();
          return;
        }
      })();
    });
    ended = true;
    return open;
  }

  async #finish(command: Command, { repo, revision, target }: Asked): Promise<Run> {
    const measured = await measure(command, this.#place().scratch);
    if (measured.exit !== 0) throw new Error(`exit ${measured.exit}: ${measured.output.trim()}`);
    const counts = await this.#server.call('count');
    const wrong = await this.#server.call('compare', { repo, revision, directory: target });
    if (wrong !== '') throw new Error(`wrong: ${wrong}`);
    return { ...measured, ...counts };
  }

  #prepare(bytesPerSecond?: number): Promise<{ accessToken: string; expires: number }> {
    return this.#server.call('prepare', { bytesPerSecond });
  }

  #command(
    client: Client | 'fetch',
    { repo, revision, target, options = [] }: Asked,
    token: { accessToken: string; expires: number },
  ): Command {
    const { program, hf, python } = this.#tools;
    const { home } = this.#place();
    if (client === 'hf_xet') {
      const { url, xetHash, size } = this.#facts.whole;
      const path = join(target, 'model.safetensors');
      return downloadCommand({ python, home }, { url, token }, [{ path, xetHash, size }]);
    }
    const env = { ...environment(undefined, { home }), HF_ENDPOINT: this.#facts.origin };
    const words = [repo, '--revision', revision, '--local-dir', target, '--quiet', ...options];
    if (client === 'hf download') return { argv: [hf, 'download', ...words], env };
    const [, ...protocol] = client.split(' ');
    return { argv: [process.execPath, program, ...words, ...protocol], env };
  }

  #place(): { target: string; home: string; scratch: string } {
    const of = (name: string): string => join(this.#directory, 'run', name);
    const place = { target: of('target'), home: of('home'), scratch: of('scratch') };
    for (const directory of Object.values(place)) mkdirSync(directory, { recursive: true });
    return place;
  }

  #clean(): void {
    rmSync(join(this.#directory, 'run'), { recursive: true, force: true });
  }

  #table(title: string, rows: readonly (readonly string[])[]): void {
    const [head = [], ...rest] = rows;
    const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
    this.lines.push('', `### ${title}`, '', line(head), line(head.map(() => '---')), ...rest.map(line));
  }
}

/** What is done, options of the first download, and who does both. */
const UPDATES: readonly (readonly [string, readonly string[], 'fetch' | 'hf download'])[] = [
  ['fetch, the first version over plain HTTP', ['--protocol', 'http'], 'fetch'],
  ['fetch, the first version as chunks', ['--protocol', 'xet'], 'fetch'],
  ['fetch, the first version in a directory beside it', ['--protocol', 'http'], 'fetch'],
  ['hf download', [], 'hf download'],
];

function inMB(bytes: number, digits = 1): string {
  return (bytes / 1e6).toFixed(digits);
}

function inSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

function inPercent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '536870912' },
      rounds: { type: 'string', default: '5' },
      program: { type: 'string', default: join(ROOT, 'dist/cli/main.js') },
      parts: { type: 'string', default: 'whole,updates,kills' },
      output: { type: 'string' },
    },
  });
  const { hf, versions } = findTools(toolsDirectory(process.env));
  if (hf === undefined) {
    say('bench: needs huggingface_hub with hf_xet: sh test/bench/prepare.sh');
    return 2;
  }
  const python = join(toolsDirectory(process.env), 'python/bin/python');
  const size = Number(values.size);
  const directory = mkdtempSync(join(memoryPlace(size * 8), 'fetch-bench-xet-'));
  const server = new Helper<XetMethods>(new URL('./xet-process.js', import.meta.url));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  try {
    say('bench: hf_xet fills the content store');
    const facts = await server.call('start', { directory, python, size });
    const bench = new XetBench(server, facts, directory, { program: values.program, hf, python });
    const { cpu, cores, kernel, commit } = describeMachine(join(values.program, '../../..'));
    bench.lines.push(
      `Measured ${new Date().toISOString().slice(0, 10)} on ${cores} × ${cpu}, ${kernel}; commit ${commit}; ` +
        `node ${process.versions.node}, huggingface_hub ${versions['huggingface_hub']}, hf_xet ${versions['hf_xet']}. ` +
        'The content store is the one of test/support/xet, filled by hf_xet; clients and server share the machine.',
      '',
      'Repeat: `sh test/bench/prepare.sh && npm run bench:xet`',
    );
    const write = (): void => {
      if (values.output !== undefined) writeFileSync(values.output, `${bench.lines.join('\n')}\n`);
    };
    const parts = {
      whole: () => bench.whole(Number(values.rounds)),
      updates: () => bench.updates(),
      kills: () => bench.kills(),
    };
    for (const [name, run] of Object.entries(parts)) {
      if (!values.parts.split(',').includes(name)) continue;
      await run();
      write();
    }
    console.log(bench.lines.join('\n'));
    return 0;
  } finally {
    await server.close();
  }
}

process.exitCode = await main().catch((error: unknown) => {
  say(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
});
