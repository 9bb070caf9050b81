import { AdaptiveConcurrency } from '../../../src/transfer/scheduling/adaptive-concurrency.ts';
import { LinkEstimate } from '../../../src/transfer/scheduling/link-estimate.ts';
import { Schedule } from '../../../src/transfer/scheduling/schedule.ts';
import { fixedSizing } from '../fixed-sizing.ts';
import type { SimulatedScene } from './scenes.ts';
import { type Controller, type SimulatedTransfer, simulateTransfer } from './simulate-transfer.ts';

const MIB = 1024 * 1024;

/** Connections, and MiB of each request. */
type Setting = readonly [connections: number, mebibytes: number];

/** What a user who knows the link might choose. */
const SETTINGS: readonly Setting[] = [
  [8, 32],
  [16, 16],
  [16, 32],
  [16, 64],
  [32, 8],
  [32, 16],
  [32, 32],
  [64, 8],
  [64, 16],
  [64, 32],
];

/** The engine of version 0.1.0 with a fixed setting: it waits for the first answer of the host. */
export function runFixed(scene: SimulatedScene, [connections, mebibytes]: Setting): SimulatedTransfer {
  const schedule = new Schedule({ connections, sizing: fixedSizing(mebibytes * MIB) });
  const controller: Controller = { limit: connections, observe: () => undefined };
  return simulateTransfer({ ...scene, connections, schedule, controller, firstAnswerAlone: true });
}

/** As the engine does it, with so many connections at most. */
export function runAdaptive(scene: SimulatedScene, connections = 64): SimulatedTransfer {
  const { hubWaitMs } = scene.link;
  const schedule = new Schedule({ connections, sizing: new LinkEstimate(hubWaitMs) });
  const budget = new AdaptiveConcurrency(connections, 0);
  const controller: Controller = {
    get limit() {
      return budget.limit;
    },
    observe: (now, bytes) => {
      const change = budget.observe(now, bytes, schedule.traffic(now));
      if (change === undefined || change.drop === 'none') return undefined;
      return change.drop === 'all' ? 0 : change.to;
    },
  };
  return simulateTransfer({ ...scene, connections, schedule, controller });
}

/** Chance is averaged over so many runs. */
const SEEDS = [1, 2, 3, 4, 5];

/** Time of the best fixed setting, as a part of the time of the engine. Below 1, that setting would have been faster. */
export function partOfBest(scene: SimulatedScene): number {
  const seeds = scene.link.jitter === true ? SEEDS : [1];
  const total = (run: (seeded: SimulatedScene & { seed: number }) => SimulatedTransfer): number =>
    seeds.reduce((sum, seed) => sum + run({ ...scene, seed }).endedAt, 0);
  const best = Math.min(...SETTINGS.map((setting) => total((seeded) => runFixed(seeded, setting))));
  return best / total((seeded) => runAdaptive(seeded));
}
