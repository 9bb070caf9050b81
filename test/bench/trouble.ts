import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import type { Fault } from '../support/hub/faults/script.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { median } from './statistics.ts';
import { startThrottle } from './throttle.ts';

// What a peer that does harm costs: a run with it beside a run without peers, from a hub and a peer with uplinks of the
// same rate. Usage: node build/bench/bench/trouble.js [ROUNDS] [NAME]

const ID = 'bench/trouble';
/** Of all connections together. */
const RATE = 20_000_000;
const BIG = 30_000_000;
const REPOSITORY = {
  id: ID,
  branches: {
    main: [
      gitFile('config.json', '{}\n'),
      lfsFile('tokenizer.model', generated('trouble tokenizer', 500_000)),
      ...[1, 2, 3].map((part) => lfsFile(`model-${part}.safetensors`, generated(`trouble ${part}`, BIG))),
    ],
  },
};

interface Peer {
  readonly rate?: number;
  readonly faults?: readonly Fault[];
}

const always = { on: 'any', times: 'always', method: 'GET' } as const;
/** Undefined: no peer. */
const PEERS: Readonly<Record<string, Peer | undefined>> = {
  none: undefined,
  honest: {},
  'lies in every file': {
    faults: [{ ...always, effect: { kind: 'rewrite', change: (body) => Buffer.alloc(body.length, 7) } }],
  },
  'lies in a byte of one big file': {
    faults: [{ ...always, path: 'model-2.safetensors', effect: { kind: 'flip', offset: 9_000_000 } }],
  },
  'lies in a byte of every big file': {
    faults: [{ ...always, path: /^model/, effect: { kind: 'flip', offset: 9_000_000 } }],
  },
  'hangs at once': { faults: [{ ...always, effect: { kind: 'stall', at: 'before-head' } }] },
  'hangs in each answer': { faults: [{ ...always, after: 2, effect: { kind: 'stall', at: 100_000 } }] },
  vanishes: { faults: [{ on: 'any', after: 8, effect: { kind: 'vanish', ms: Number.POSITIVE_INFINITY } }] },
  'is slow': { rate: RATE / 20 },
};

async function seconds(peer: Peer | undefined): Promise<number> {
  await using hub = await startHub({ repositories: [REPOSITORY] });
  await using other = await startHub({
    repositories: [REPOSITORY],
    directAnswers: true,
    faults: [...(peer?.faults ?? [])],
  });
  const uplink = async (origin: string, rate: number) =>
    await startThrottle({ port: Number(new URL(origin).port) }, { totalBytesPerSecond: rate });
  const fromHub = await uplink(hub.cdnOrigin, RATE);
  const fromPeer = await uplink(other.origin, peer?.rate ?? RATE);
  hub.settings.cdnBase = `http://127.0.0.1:${fromHub.port}`;
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const from = peer === undefined ? [] : ['--from', `http://127.0.0.1:${fromPeer.port}`];
  const run = await workspace.run([ID, '--local-dir', 'copy', '-q', ...from]);
  await Promise.all([fromHub.close(), fromPeer.close()]);
  const wrong = await compareWithTruth(workspace.path('copy'), await hub.truth(ID));
  if (run.exit !== 0 || wrong.length > 0) throw new Error(`${run.stderr}\n${JSON.stringify(wrong)}`);
  return run.tookMs / 1000;
}

const [rounds = '3', only] = process.argv.slice(2);
const names = Object.keys(PEERS).filter((name) => only === undefined || name === only || name === 'none');
const took = new Map(names.map((name) => [name, [] as number[]]));
for (let round = 0; round < Number(rounds); round += 1) {
  for (const name of names) took.get(name)!.push(await seconds(PEERS[name]));
}
const alone = median(took.get('none')!);
for (const [name, all] of took) {
  const middle = median(all);
  console.log(`${name.padEnd(34)} ${middle.toFixed(2)} s  ${(middle / alone).toFixed(2)} x`);
}
