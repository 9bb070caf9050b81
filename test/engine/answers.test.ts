import { describe, expect, test } from 'vitest';
import { DEFAULT_RETRY_POLICY } from '../../src/system/retry.ts';
import type { Fault } from '../support/engine/fault.ts';
import { STALL_MS } from '../support/engine/memory-transport.ts';
import { RETRY, World } from '../support/engine/world.ts';
import { MIB } from '../support/store-kit.ts';

const MODEL = { 'model.bin': 40 * MIB };

describe('an answer', () => {
  test.each<[string, Fault]>([
    ['breaks before its first byte', { kind: 'break', at: 0 }],
    ['breaks at a byte', { kind: 'break', at: 1_234_567 }],
    ['ends early', { kind: 'truncate', at: 1_234_567 }],
    ['ends before its first byte', { kind: 'truncate', at: 0 }],
    ['falls silent', { kind: 'silence', at: 1_234_567 }],
    ['is of another range', { kind: 'other range' }],
    ['is busy', { kind: 'status', status: 503 }],
    ['names the wait', { kind: 'status', status: 429, retryAfterMs: 3000 }],
    ['fails', { kind: 'status', status: 500 }],
    ['never comes, because no server listens', { kind: 'unreached' }],
  ])('that %s costs nothing that had come', async (_, fault) => {
    const world = new World({ files: MODEL, faults: [{ ...fault, request: 2 }] });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
    expect(run.fetchedBytes).toBe(40 * MIB);
    expect(run.events('bytes-lost')).toEqual([]);
  });

  test('that falls silent is taken over by another connection before the server is given up', async () => {
    const world = new World({ files: MODEL, faults: [{ kind: 'silence', at: 100_000, request: 2 }] });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(run.events('retrying')).toEqual([]);
    expect(run.ms).toBeLessThan(STALL_MS);
  });

  test('that names a wait is not followed by a request before its end', async () => {
    const fault = { kind: 'status', status: 429, retryAfterMs: 9000 } as const;
    const world = new World({ files: { 'config.json': 700 }, faults: [fault] });
    const run = await world.run();
    expect(run.done).toBe(true);
    expect(run.ms).toBeGreaterThan(9000);
  });

  test('that names too long a wait ends the run', async () => {
    const fault = { kind: 'status', status: 429, retryAfterMs: 60_000 } as const;
    const run = await new World({ files: { 'config.json': 700 }, faults: [fault] }).run();
    expect(run.codes).toEqual(['NETWORK']);
    expect(run.failures[0]?.message).toContain('the server asked to wait 60 s');
    expect(run.ms).toBeLessThan(1000);
  });

  test('that breaks again and again without a byte ends the run after so many tries', async () => {
    const world = new World({
      files: { 'config.json': 700 },
      faults: [{ kind: 'break', at: 0, times: 1000 }],
    });
    const run = await world.run();
    expect(run.codes).toEqual(['NETWORK']);
    expect(run.transport.requests).toHaveLength(4);
  });

  test('that breaks again and again but brings something does not', async () => {
    const world = new World({
      files: { 'config.json': 7000 },
      faults: [{ kind: 'break', at: 100, times: 69 }],
    });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(run.fetchedBytes).toBe(7000);
  });

  test('with one wrong byte is noticed, and the file is brought once more', async () => {
    const world = new World({ files: MODEL, faults: [{ kind: 'corrupt', at: 100_000 }] });
    const run = await world.run();
    expect(run.events('file-finished').map(({ how }) => how)).toEqual(['repaired']);
    expect(run.events('bytes-lost').map(({ count }) => count)).toEqual([40 * MIB]);
    // It is read twice before it is called wrong, and once when it is right.
    expect(run.events('note')).toHaveLength(1);
    expect(world.complete).toBe(true);
  });

  test('that is always wrong fails that file, and no other', async () => {
    const files = { ...MODEL, 'config.json': 700 };
    const faults = [{ kind: 'corrupt', at: 0, path: 'config.json', times: 1000 }] as const;
    const world = new World({ files, faults });
    const run = await world.run();
    expect(run.codes).toEqual(['INTEGRITY']);
    expect([...world.disk.finals.keys()]).toEqual(['model.bin']);
    expect(world.disk.parts.size).toBe(0);
  });

  test('with the whole file is taken by one connection, and the others let go', async () => {
    const files = { 'model.bin': 200 * MIB };
    const run = await new World({ files, faults: [{ kind: 'whole file', times: 1000 }] }).run();
    expect(run.done, String(run)).toBe(true);
    expect(run.fetchedBytes).toBe(200 * MIB);
    // Those that ask before the first answer; all but one of them let go.
    expect(run.transport.wholeAnswers).toBeLessThanOrEqual(6);
  });
});

describe('a host', () => {
  test.each(['exact', 'none', 'unsaid'] as const)(
    'with ranges: %s is asked in its own way',
    async (ranges) => {
      const world = new World({ files: { ...MODEL, 'config.json': 700 }, hosts: { cdn: { ranges } } });
      const run = await world.run();
      expect(run.done, String(run)).toBe(true);
      expect(run.fetchedBytes).toBe(40 * MIB + 700);
      expect(run.events('retrying')).toEqual([]);
    },
  );

  test('whose addresses are bound to a range is asked for one per range, and for no whole file', async () => {
    const run = await new World({ files: MODEL, hosts: { cdn: { ranges: 'exact' } } }).run();
    expect(run.done, String(run)).toBe(true);
    expect(run.transport.wholeAnswers).toBe(0);
  });

  test('that refuses the ranges of one file sends that one whole', async () => {
    const files = { ...MODEL, 'second.bin': 20 * MIB };
    const faults = [{ kind: 'unsaid range', path: 'second.bin', times: 1000 }] as const;
    const world = new World({ files, faults });
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.complete).toBe(true);
  });

  test('that is dead ends the run soon, with its name', async () => {
    const run = await new World({ files: MODEL, hosts: { cdn: { dead: true } } }).run();
    expect(run.codes).toEqual(['NETWORK']);
    expect(run.failures[0]?.message).toContain('no server listens at cdn');
    expect(run.ms).toBeLessThan(10_000);
  });

  test('behind a redirect is asked directly from then on', async () => {
    const world = new World({ files: { 'model.bin': 200 * MIB }, hosts: { east: {}, west: {} } });
    world.source.redirects = true;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.source.locates('model.bin')).toBe(1);
    // Those that ask before the first answer.
    expect(run.transport.redirected).toBe(6);
  });

  // A slow range outlasts all tries of the connections that are not let in.
  test.each([20_000, 1000, 200])(
    'that lets in fewer connections than we have gets fewer, at %i bytes per millisecond',
    async (rate) => {
      const files = { 'model.bin': 200 * MIB };
      const hosts = { cdn: { rate, refusesAbove: 3 } };
      const run = await new World({ files, hosts, retry: DEFAULT_RETRY_POLICY }).run();
      expect(run.done, String(run)).toBe(true);
      expect(run.fetchedBytes).toBe(200 * MIB);
    },
  );

  test('that is busy and names a wait each time is believed, though others bring bytes', async () => {
    const faults = [{ kind: 'status', status: 503, retryAfterMs: 60_000, request: 2 }] as const;
    const run = await new World({ files: MODEL, hosts: { cdn: { rate: 1000 } }, faults }).run();
    expect(run.codes).toEqual(['NETWORK']);
    expect(run.failures[0]?.message).toContain('which is too long');
  });

  test('that collapses under many connections is noticed, and brings more with fewer', async () => {
    const files = { 'model.bin': 400 * MIB };
    const hosts = { cdn: { rate: 4000, collapsesAbove: 4 } };
    const run = await new World({ files, hosts, connections: 12 }).run();
    expect(run.done, String(run)).toBe(true);
    const notes = run.events('note').map(({ message }) => message);
    expect(notes).toEqual([expect.stringMatching(/^cdn brings more with fewer connections: 12 → [1-4]$/)]);
    // With 4 connections it takes 26 s; 12 that starve would need an hour.
    expect(run.ms).toBeLessThan(60_000);
    expect(run.transport.elsewheres).toBeGreaterThan(0);
  });
});

describe('an address', () => {
  test('that dies under all connections is asked for once more, not by each of them', async () => {
    const world = new World({ files: { 'model.bin': 200 * MIB }, connections: 12 });
    world.at(300, () => world.addresses.dieNow());
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.source.locates('model.bin')).toBe(2);
    expect(run.events('retrying')).toEqual([]);
  });

  test('that dies is asked for once more also where refusals of the old one come after the new one', async () => {
    const files = { 'model.bin': 200 * MIB };
    const world = new World({ files, connections: 12, hosts: { cdn: { firstByteMs: 400 } } });
    world.at(700, () => world.addresses.dieNow());
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.source.locates('model.bin')).toBe(2);
  });

  test.each([true, false])('with a short life is asked for once in each; it says so: %s', async (tells) => {
    const world = new World({ files: { 'model.bin': 400 * MIB }, hosts: { cdn: { rate: 2000 } } });
    world.addresses.lifetimeMs = 10_000;
    world.source.tellsExpiry = tells;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(run.events('retrying')).toEqual([]);
    const lives = Math.ceil(run.ms / 9500);
    expect(world.source.locates('model.bin')).toBeGreaterThan(1);
    expect(world.source.locates('model.bin')).toBeLessThanOrEqual(lives);
  });

  test('that tells its end is not used after it', async () => {
    const world = new World({ files: { 'model.bin': 400 * MIB }, hosts: { cdn: { rate: 2000 } } });
    world.addresses.lifetimeMs = 10_000;
    const run = await world.run();
    // A refusal is told as a trace.
    const refused = run.events('trace').filter(({ message }) => message.includes('answered 403'));
    expect(refused).toEqual([]);
  });

  test('that is refused from the start is no expiry: tries are counted', async () => {
    const world = new World({ files: { 'config.json': 700 }, faults: [{ kind: 'expired', times: 1000 }] });
    const run = await world.run();
    expect(run.codes).toEqual(['NETWORK']);
    expect(run.transport.requests).toHaveLength(4);
  });

  test('that the hub refuses to name is asked for by one, and again after a wait', async () => {
    const world = new World({ files: MODEL });
    world.source.failures = 2;
    const run = await world.run();
    expect(run.done, String(run)).toBe(true);
    expect(world.source.locates('model.bin')).toBe(3);
  });
});

test('a hub that never says where a file is, is asked no more often by many connections than by one', async () => {
  const world = new World({ files: { 'model.bin': 400 * MIB }, connections: 12 });
  world.source.failures = 1000;
  const run = await world.run();
  expect(run.codes).toEqual(['NETWORK']);
  expect(world.source.locates('model.bin')).toBeLessThanOrEqual(RETRY.tries);
});

describe('a write that comes late, over what others have brought', () => {
  const hosts = { cdn: { rate: 4000 } };
  const late = (bytes: 'right' | 'wrong') =>
    [1, 3].map((request) => ({ kind: 'late write', at: 100_000, request, bytes }) as const);

  test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
    'is never what stands under the final name: seed %i',
    async (seed) => {
      const world = new World({ files: MODEL, faults: late('wrong'), seed, hosts });
      const run = await world.run();
      expect(run.transport.lateWrites).toBeGreaterThan(0);
      expect(run.done, String(run)).toBe(true);
    },
  );

  test('is not counted twice where it brings the same', async () => {
    const run = await new World({ files: MODEL, faults: late('right'), hosts }).run();
    expect(run.transport.lateWrites).toBe(2);
    expect(run.bytesOf('model.bin')).toBe(40 * MIB);
    expect(run.fetchedBytes).toBe(40 * MIB);
    expect(run.events('bytes-lost')).toEqual([]);
  });
});
