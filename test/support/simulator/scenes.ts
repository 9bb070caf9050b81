import { GIGABIT, HUB_CONNECTION, type LinkModel } from './link-model.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const WINDOW_BYTES = 4 * MIB;

/** What comes over which link. */
export interface SimulatedScene {
  readonly link: LinkModel;
  /** Sizes in bytes. */
  readonly files: readonly number[];
}

const WAITS = [0, 50, 200, 650];
const RATES: readonly [string, number][] = [
  ['1 Gbit/s', GIGABIT],
  ['10 Gbit/s', 10 * GIGABIT],
  ['no limit in all', Number.POSITIVE_INFINITY],
];

function twelve(files: readonly number[], make: (waitMs: number, rate: number, name: string) => LinkModel) {
  return WAITS.flatMap((waitMs) =>
    RATES.map(([name, rate]) => ({ link: make(waitMs, rate, `${waitMs} ms, ${name}`), files })),
  );
}

const near = (waitMs: number, rate: number, name: string): LinkModel => ({
  name,
  rate,
  connectionRate: HUB_CONNECTION,
  waits: { fresh: waitMs, warm: waitMs },
  hubWaitMs: Math.min(waitMs, 100),
});

/** Four families of twelve links each: four waits for a first byte, three rates of the whole link. */
export const SCENES: Readonly<Record<'near' | 'far' | 'jitter' | 'four files', readonly SimulatedScene[]>> = {
  near: twelve([2 * GIB], near),
  far: twelve([2 * GIB], (waitMs, rate, name) => {
    const roundTripMs = Math.max(5, waitMs);
    return {
      ...near(waitMs, rate, name),
      // A new connection costs a round trip before its request.
      waits: { fresh: 2 * roundTripMs, warm: roundTripMs },
      slowStart: { roundTripMs, windowBytes: WINDOW_BYTES },
    };
  }),
  jitter: twelve([2 * GIB], (waitMs, rate, name) => ({ ...near(waitMs, rate, name), jitter: true })),
  'four files': twelve([4 * GIB, 4 * GIB, 4 * GIB, 4 * GIB], near),
};
