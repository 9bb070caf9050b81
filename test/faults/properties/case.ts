import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareWithTruth } from '../../support/hub/compare.ts';
import { generated } from '../../support/hub/content/content.ts';
import type { Effect } from '../../support/hub/faults/effect.ts';
import { type Fault, randomNumbers } from '../../support/hub/faults/script.ts';
import { startHub } from '../../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../../support/hub/repositories/repository.ts';
import type { RequestKind } from '../../support/hub/wire/exchange.ts';
import { type Run, Workspace } from '../../support/run-program.ts';

const ID = 'tests/soak';
const MIB = 1 << 20;
/** Exits that say what happened. 1 is a bug, and so is being ended by anything but our own kill. */
const NAMED = new Set([0, 4, 5, 6, 7, 130, 143]);
/** A run that takes longer has hung. */
const MAX_GAP_MS = 60_000;

const REPOSITORY: RepositoryDescription = {
  id: ID,
  branches: {
    main: [
      gitFile('config.json', '{"soak": true}\n'),
      gitFile('deep/er/notes.txt', 'notes\n'),
      gitFile('empty.txt', ''),
      lfsFile('tokenizer.model', generated('soak tokenizer', 300_001)),
      xetFile('model-1.safetensors', generated('soak one', 9 * MIB + 77)),
      xetFile('model-2.safetensors', generated('soak two', 3 * MIB)),
    ],
  },
};

export interface Kill {
  readonly signal: NodeJS.Signals;
  /** Bytes that the hub has sent in that run, and milliseconds after that. */
  readonly atBytes: number;
  readonly laterMs: number;
}

export interface Case {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** One run each; then runs without a kill. */
  readonly kills: readonly Kill[];
  /** A run that does not see the lock of the first, at the same time. */
  readonly blindSecond: boolean;
  readonly bytesPerSecond: number;
}

export interface CaseOutcome {
  readonly problems: readonly string[];
  /** How often the directory was looked at. */
  readonly looks: number;
  readonly kills: number;
}

type Choose = <T>(values: readonly T[]) => T;

const CARRIERS: readonly RequestKind[] = ['cdn', 'resolve-cache'];
const KINDS: readonly RequestKind[] = ['revision', 'tree', 'resolve', ...CARRIERS, 'cdn', 'cdn'];

/** Everything about a case follows from its seed. */
export function makeCase(seed: number): Case {
  const chance = randomNumbers(seed);
  // The first numbers of neighbouring seeds are neighbours too.
  for (let skipped = 0; skipped < 8; skipped += 1) chance();
  const below = (most: number) => Math.floor(chance() * most);
  const choose: Choose = (values) => values[below(values.length)]!;
  const faults = Array.from({ length: below(6) }, (): Fault => {
    const on = choose(KINDS);
    return {
      on,
      after: below(4),
      times: 1 + below(3),
      perPath: chance() < 0.3,
      effect: randomEffect(on, below, choose),
    };
  });
  const kills = Array.from(
    { length: below(4) },
    (): Kill => ({
      signal: choose(['SIGKILL', 'SIGKILL', 'SIGINT', 'SIGTERM']),
      atBytes: chance() < 0.2 ? 0 : below(12 * MIB),
      laterMs: below(40),
    }),
  );
  const blindSecond = chance() < 0.25;
  return { seed, faults, kills, blindSecond, bytesPerSecond: choose([4, 12, 40]) * MIB };
}

function randomEffect(on: RequestKind, below: (most: number) => number, choose: Choose): Effect {
  const any: Effect[] = [
    { kind: 'reset', at: 'before-head' },
    { kind: 'reset', at: below(MIB) },
    { kind: 'truncate', at: below(MIB) },
    { kind: 'stall', at: below(MIB) },
    { kind: 'status', status: choose([408, 425, 429, 500, 502, 503, 504]) },
    { kind: 'delay', ms: below(200) },
    { kind: 'close-connection', announced: false },
    { kind: 'interim' },
    { kind: 'raw', text: 'no HTTP\r\n\r\n' },
    { kind: 'vanish', ms: below(400) },
    { kind: 'chunked' },
  ];
  const carrying: Effect[] = [
    { kind: 'flip', offset: below(3 * MIB) },
    { kind: 'flip', offset: 3 },
    { kind: 'ignore-range' },
    { kind: 'shifted-bytes', shift: 1 + below(999) },
    { kind: 'content-range', shift: 1 + below(999) },
    { kind: 'content-range', total: below(MIB) },
    { kind: 'short-range', bytes: 1 + below(MIB) },
    { kind: 'long-range', bytes: 1 + below(MIB) },
    { kind: 'status', status: choose([400, 403, 404, 410, 416]) },
    { kind: 'expired' },
  ];
  const telling: Effect[] = [
    { kind: 'json', shape: choose(['malformed', 'truncated', 'html', 'empty', 'wrong-type']) },
    { kind: 'gzip' },
  ];
  if (CARRIERS.includes(on)) return choose([...any, ...carrying]);
  return choose(on === 'resolve' ? any : [...any, ...telling]);
}

export function describeCase({ seed, faults, kills, blindSecond }: Case): string {
  const said = faults.map(({ on, effect }) => `${on} ${[effect].flat().map(({ kind }) => kind)}`);
  const ends = kills.map(({ signal, atBytes }) => `${signal} at ${atBytes}`);
  return `--seed ${seed}: ${[...said, ...ends, ...(blindSecond ? ['a blind second run'] : [])].join(', ') || 'nothing'}`;
}

/** Looks at a directory: a file that has its final name is whole and right, at every moment. */
class Sampler {
  readonly problems: string[] = [];
  looks = 0;
  readonly #directory: string;
  readonly #right: ReadonlyMap<string, string>;
  readonly #seen = new Map<string, string>();
  #over = false;

  constructor(directory: string, right: ReadonlyMap<string, string>) {
    this.#directory = directory;
    this.#right = right;
  }

  async watch(): Promise<void> {
    while (!this.#over) {
      this.look();
      await sleep(3);
    }
  }

  stop(): void {
    this.#over = true;
    this.#seen.clear();
    this.look();
  }

  look(): void {
    this.looks += 1;
    for (const path of this.#files()) {
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      // Read again only if it is another file, or was written to.
      const state = `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
      if (this.#seen.get(path) === state) continue;
      this.#seen.set(path, state);
      const name = relative(this.#directory, path).replaceAll('\\', '/');
      const found = createHash('sha256').update(readFileSync(path)).digest('hex');
      if (this.#right.get(name) !== found) this.problems.push(`${name} is wrong under its final name`);
    }
  }

  #files(): string[] {
    try {
      return readdirSync(this.#directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => !relative(this.#directory, path).startsWith('.cache'));
    } catch {
      return [];
    }
  }
}

/** Runs a case; problems are what must never be. */
export async function runCase(one: Case): Promise<CaseOutcome> {
  await using hub = await startHub({
    repositories: [REPOSITORY],
    faults: one.faults,
    bytesPerSecond: one.bytesPerSecond,
    pageSize: 3,
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const truth = await hub.truth(ID);
  const right = new Map<string, string>();
  for (const file of truth) {
    const content = createHash('sha256')
      .update(await file.bytes())
      .digest('hex');
    right.set(file.path, content);
  }
  const directory = workspace.path('soak');
  const sampler = new Sampler(directory, right);
  const watching = sampler.watch();
  const problems: string[] = [];
  const words = [ID, '--quiet', '--connections', '4', '--retries', '6', '--stall-timeout', '1'];
  let kills = 0;

  const judge = ({ exit, signal, stderr }: Run, kill: Kill | undefined) => {
    // A signal that comes before the program has begun to listen ends it without a word.
    const byUs = exit === undefined && signal === kill?.signal;
    const named = exit !== undefined && (NAMED.has(exit) || exit === 9);
    if (!byUs && !named) problems.push(`exit ${exit ?? signal}: ${stderr}`);
  };
  const run = async (kill: Kill | undefined, blind: boolean): Promise<number | undefined> => {
    const before = hub.log.bytesSent();
    // As on a drive whose locks always succeed: what the other run has put there is gone.
    const unlocking = blind ? setInterval(() => removeLock(directory), 1) : undefined;
    const program = workspace.start(words);
    const late = setTimeout(() => {
      problems.push(`no end after ${MAX_GAP_MS / 1000} s`);
      program.kill('SIGKILL');
    }, MAX_GAP_MS);
    if (kill !== undefined) {
      while (!program.hasEnded && hub.log.bytesSent() - before < kill.atBytes) await sleep(2);
      await sleep(kill.laterMs);
      if (!program.hasEnded) kills += 1;
      program.kill(kill.signal);
    }
    const ended = await program.ended;
    clearTimeout(late);
    clearInterval(unlocking);
    judge(ended, kill);
    sampler.look();
    return ended.exit;
  };

  for (const kill of one.kills) await run(kill, false);
  if (one.blindSecond) await Promise.all([run(undefined, true), sleep(100).then(() => run(undefined, true))]);
  // Faults may go on for some runs; then there are none, and the first run must bring it to its end.
  await run(undefined, false);
  hub.faults.clear();
  hub.settings.bytesPerSecond = undefined;
  const last = await run(undefined, false);
  if (last !== 0) problems.push(`the run without faults ended with ${last}`);
  sampler.stop();
  await watching;
  for (const difference of await compareWithTruth(directory, truth)) {
    problems.push(`in the end: ${JSON.stringify(difference)}`);
  }
  if (hub.log.tokenLeaks().length > 0) problems.push('a token left the hub');
  return { problems: [...problems, ...sampler.problems], looks: sampler.looks, kills };
}

function removeLock(directory: string): void {
  rmSync(join(directory, '.cache/fetch/lock'), { force: true });
}
