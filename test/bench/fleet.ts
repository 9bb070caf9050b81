import { cpus } from 'node:os';
import { allDone, Fleet } from '../support/fleet.ts';
import { generated } from '../support/hub/content/content.ts';
import { gitFile, lfsFile } from '../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../support/hub/repositories/repository.ts';
import { median } from './statistics.ts';

// Four machines that fetch the same 210 MB at the same time, each beside its `fetch serve`, all on this machine: the hub and
// each of the four can send 20 MB/s. In a line (each names the one before it) and in a mesh (each names all others), beside
// one machine alone. Everything is compared byte for byte in the end.
// Usage: npm run build && npx tsc -p test/bench/tsconfig.json && node build/bench/bench/fleet.js [ROUNDS] [SHAPE] [MB/S]

const MB = 1_000_000;
const [rounds = '1', only, rate = '20'] = process.argv.slice(2);
const RATE = Number(rate) * MB;
const REPOSITORY: RepositoryDescription = {
  id: 'bench/fleet',
  branches: {
    main: [
      gitFile('config.json', '{}\n'),
      ...[1, 2, 3, 4, 5].map((part) =>
        lfsFile(`model-${part}.safetensors`, generated(`fleet ${part}`, 40 * MB)),
      ),
      ...Array.from({ length: 40 }, (_, number) =>
        lfsFile(`small/${number}.bin`, generated(`fleet small ${number}`, 250_000)),
      ),
    ],
  },
};

const SHAPES: Readonly<
  Record<string, { readonly count: number; readonly from: (node: number) => readonly number[] }>
> = {
  alone: { count: 1, from: () => [] },
  line: { count: 4, from: (node) => (node === 0 ? [] : [node - 1]) },
  mesh: { count: 4, from: (node) => [0, 1, 2, 3].filter((other) => other !== node) },
};

interface Figures {
  readonly seconds: readonly number[];
  /** How often the hub sent each byte. */
  readonly ofHub: number;
  /** Part of the time for which the processors were busy. */
  readonly busy: number;
}

async function measure(shape: string): Promise<Figures> {
  const { count, from } = SHAPES[shape]!;
  await using fleet = await Fleet.start(count, REPOSITORY, RATE);
  const before = processorTimes();
  const runs = await allDone(fleet.nodes.map((_node, number) => fleet.fetch(number, from(number), ['-q'])));
  const after = processorTimes();
  const { hubBytes } = fleet;
  for (const number of fleet.nodes.keys()) {
    const amiss = await fleet.amiss(number);
    if (amiss.length > 0) throw new Error(`machine ${number}: ${amiss.join('\n')}`);
  }
  const size = await fleet.size;
  return {
    seconds: runs.map(({ tookMs }) => tookMs / 1000),
    ofHub: hubBytes / size,
    busy: (after.busy - before.busy) / (after.all - before.all),
  };
}

function processorTimes(): { readonly busy: number; readonly all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { busy: all - times.reduce((sum, { idle }) => sum + idle, 0), all };
}

const names = Object.keys(SHAPES).filter((name) => only === undefined || name === only || name === 'alone');
const found = new Map(names.map((name) => [name, [] as Figures[]]));
for (let round = 0; round < Number(rounds); round += 1) {
  for (const name of names) found.get(name)!.push(await measure(name));
}
const alone = median(found.get('alone')!.map(({ seconds }) => Math.max(...seconds)));
for (const [name, all] of found) {
  const last = median(all.map(({ seconds }) => Math.max(...seconds)));
  const each = all.map(({ seconds }) => seconds.map((one) => one.toFixed(1)).join(' ')).join(' | ');
  const hub = all.map(({ ofHub }) => ofHub.toFixed(2)).join(' | ');
  const busy = all.map((one) => `${(100 * one.busy).toFixed(0)} %`).join(' | ');
  console.log(
    `${name.padEnd(6)} ${last.toFixed(2)} s  ${(last / alone).toFixed(2)} x  each: ${each}  hub: ${hub}  busy: ${busy}`,
  );
}
