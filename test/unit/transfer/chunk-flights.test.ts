import { expect, test } from 'vitest';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { XetLocation } from '../../../src/source/location.ts';
import { ChunkFlights } from '../../../src/transfer/chunk-flights.ts';
import { ChunkMap } from '../../../src/transfer/chunk-map.ts';
import { nextChunks } from '../../../src/transfer/repeated-chunks.ts';

const KB = 1000;
const hash = new Uint8Array(32);
const signal = new AbortController().signal;

/** Chunks of 10 kB of xorb `x`: `terms` one after the other from `at` on, each a fetch of its own. */
function location(at: number, ...terms: readonly (readonly [start: number, end: number])[]): XetLocation {
  const length = (start: number, end: number) => (end - start) * 10 * KB;
  const sum = terms.reduce((total, [start, end]) => total + length(start, end), 0);
  return {
    kind: 'xet',
    range: { start: at, end: at + sum },
    skip: 0,
    terms: terms.map(([start, end]) => ({ xorb: 'x', start, end, length: length(start, end) })),
    fetches: terms.map(([start, end]) => ({
      ...{ xorb: 'x', start, end, url: 'https://storage.example/' },
      bytes: { start: start * KB, end: end * KB },
    })),
  };
}

function world() {
  return { chunks: new ChunkMap(), received: new IntervalSet(), flights: new ChunkFlights() };
}

test('what another request brings is waited for, and copied when it is there', async () => {
  const { chunks, received, flights } = world();
  const ended = flights.begin({ end: 200 * KB }, location(0, [0, 20]));
  const repeated = location(1000 * KB, [0, 24]);
  const next = () => nextChunks(repeated, chunks, received, flights);
  expect(next()).toEqual({ kind: 'wait' });
  const moved = flights.untilMoved(signal);
  for (let index = 0; index < 6; index += 1)
    chunks.add({ offset: index * 10 * KB, length: 10 * KB, xorb: 'x', index, hash });
  received.add({ start: 0, end: 60 * KB });
  flights.moved();
  await moved;
  expect(next()).toMatchObject({
    kind: 'bring',
    location: {
      range: { start: 1000 * KB, end: 1060 * KB },
      terms: [{ start: 0, end: 6, length: 60 * KB }],
      held: [{ start: 0, offsets: [0, 10_000, 20_000, 30_000, 40_000, 50_000] }],
    },
  });
  ended();
});

test('what stands before it comes first', () => {
  const { chunks, received, flights } = world();
  flights.begin({ end: 200 * KB }, location(0, [0, 20]));
  const mixed = location(1000 * KB, [30, 40], [5, 12], [50, 60]);
  expect(nextChunks(mixed, chunks, received, flights)).toEqual({ kind: 'narrow', end: 1100 * KB });
});

test('a request that has ended, or has lost its tail, brings nothing', async () => {
  const { chunks, received, flights } = world();
  const window = { end: 200 * KB };
  const ended = flights.begin(window, location(0, [0, 20]));
  const repeated = location(1000 * KB, [0, 4]);
  window.end = 199 * KB;
  expect(nextChunks(repeated, chunks, received, flights)).toMatchObject({
    kind: 'bring',
    location: { held: [] },
  });
  window.end = 200 * KB;
  const moved = flights.untilMoved(signal);
  ended();
  await moved;
  expect(nextChunks(repeated, chunks, received, flights)).toMatchObject({ kind: 'bring' });
});

test('a few chunks of many are no reason to wait, nor is a term that begins before the range', () => {
  const { chunks, received, flights } = world();
  flights.begin({ end: 200 * KB }, location(0, [0, 20]));
  expect(nextChunks(location(1000 * KB, [18, 40]), chunks, received, flights).kind).toBe('bring');
  const early = { ...location(1000 * KB, [0, 20]), skip: 190 * KB };
  expect(nextChunks(early, chunks, received, flights).kind).toBe('bring');
});

test('a wait ends with its signal', async () => {
  const stop = new AbortController();
  const waiting = new ChunkFlights().untilMoved(stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});

test('sixty requests with ten thousand terms each are compared in no time', () => {
  const { chunks, received, flights } = world();
  const terms = (from: number) =>
    Array.from({ length: 10_000 }, (_, index) => [from + 6 * index, from + 6 * index + 1] as const);
  for (let number = 0; number < 60; number += 1)
    flights.begin({ end: Number.MAX_SAFE_INTEGER }, location(0, ...terms(1)));
  expect(nextChunks(location(1e10, ...terms(3)), chunks, received, flights).kind).toBe('bring');
  expect(nextChunks(location(1e10, ...terms(1)), chunks, received, flights).kind).toBe('wait');
});
