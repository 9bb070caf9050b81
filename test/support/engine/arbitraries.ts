import fc from 'fast-check';
import { MIB } from '../store-kit.ts';
import type { Fault } from './fault.ts';
import type { HostTraits } from './host.ts';
import type { CutOff, WorldOptions } from './world.ts';

const PATHS = ['model.bin', 'second.bin', 'config.json', 'empty'] as const;

/** Sizes on both sides of every bound: empty, less than a block of the journal, small, a few segments. */
const size: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, MIB - 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 12 * MIB),
  fc.integer({ min: 2, max: 4 * MIB }),
  fc.integer({ min: 8 * MIB, max: 30 * MIB }),
);

const at: fc.Arbitrary<number> = fc.oneof(fc.constantFrom(0, 1, MIB), fc.integer({ min: 0, max: 6 * MIB }));

const trouble: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constantFrom('break', 'truncate', 'silence', 'corrupt', 'full disk'), at }),
  fc.record({ kind: fc.constant('late write'), at, bytes: fc.constantFrom('right', 'wrong') }),
  fc.record({ kind: fc.constantFrom('expired', 'unsaid range', 'other range', 'whole file', 'unreached') }),
  fc.record(
    {
      kind: fc.constant('status'),
      status: fc.constantFrom(400, 403, 404, 410, 416, 429, 500, 503),
      retryAfterMs: fc.constantFrom(0, 1000, 5000, 60_000),
    },
    { requiredKeys: ['kind', 'status'] },
  ),
) as fc.Arbitrary<Fault>;

const fault: fc.Arbitrary<Fault> = fc
  .tuple(
    trouble,
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 6 }),
    fc.option(fc.constantFrom(...PATHS), { nil: undefined }),
  )
  .map(([met, request, times, path]) =>
    path === undefined ? { ...met, request, times } : { ...met, request, times, path },
  );

const host: fc.Arbitrary<Partial<HostTraits>> = fc.record(
  {
    rate: fc.constantFrom(500, 4000, 50_000),
    firstByteMs: fc.integer({ min: 0, max: 400 }),
    ranges: fc.constantFrom('any', 'exact', 'none', 'unsaid'),
  },
  { requiredKeys: [] },
);

const hosts: fc.Arbitrary<Record<string, Partial<HostTraits>>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ cdn: {} }) },
  { weight: 2, arbitrary: fc.record({ cdn: host }) },
  { weight: 1, arbitrary: fc.record({ east: host, west: host }) },
);

/** A world without faults. */
export const world: fc.Arbitrary<WorldOptions> = fc.record({
  seed: fc.nat(),
  files: fc.dictionary(fc.constantFrom(...PATHS), size, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  connections: fc.integer({ min: 1, max: 6 }),
});

export const troubledWorld: fc.Arbitrary<WorldOptions> = fc
  .tuple(world, hosts, fc.array(fault, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 6 }))
  .map(([calm, around, faults, largeConnections]) => ({
    ...calm,
    hosts: around,
    faults,
    largeConnections: Math.min(calm.connections ?? 6, largeConnections),
  }));

export const cutOff: fc.Arbitrary<CutOff> = fc.record({
  after: fc.integer({ min: 0, max: 120 }),
  by: fc.constantFrom('kill', 'power cut', 'abort'),
});
