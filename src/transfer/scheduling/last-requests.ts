import { currentRate, type TrackedSegment } from './segment.ts';

/**
 * The share of the next connection in the last `left` bytes, if all connections are to end at the same time: `freeIn`
 * says in how many milliseconds each of them can ask again, the next one at once. Every request waits equally long for
 * its first byte and then brings `rate` bytes per millisecond, so the wait itself does not matter.
 */
export function lastShare(left: number, rate: number, freeIn: readonly number[]): number {
  const order = [...freeIn].sort((first, second) => first - second);
  let sum = 0;
  for (const [index, free] of order.entries()) {
    sum += free;
    const count = index + 1;
    // When so many connections have brought everything.
    const end = (left / rate + sum) / count;
    const next = order[count];
    if (next === undefined || end <= next) return end * rate;
  }
  return left;
}

/**
 * In how many milliseconds each of this many connections has ended its segment, as far as that is known. `rate` (bytes per
 * millisecond) and `waitMs` are those of one request on this link.
 */
export function timesUntilFree(
  active: Iterable<TrackedSegment>,
  connections: number,
  { rate, waitMs }: { readonly rate: number; readonly waitMs: number },
  now: number,
): number[] {
  const busy = [...active].filter(({ small }) => !small);
  const times = busy.map((work) => {
    const waits = work.windowStart === undefined ? Math.max(0, work.askedAt + waitMs - now) : 0;
    return waits + (work.end - work.position) / (currentRate(work, now) || rate);
  });
  return [...times, ...Array<number>(Math.max(1, connections - times.length)).fill(0)];
}
