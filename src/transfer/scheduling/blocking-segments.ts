import { currentRate, type TrackedSegment } from './segment.ts';

/** A connection is a straggler if the fastest one is this many times as fast. */
const MUCH_SLOWER = 4;

/**
 * Segments that hold up the hash of their file: each is nearest to the start of its file, and its connection is a
 * straggler. What arrives behind them is hashed later, when it may have left the memory. `bestRate`: bytes per millisecond.
 */
export function blockingSegments(
  active: Iterable<TrackedSegment>,
  bestRate: number,
  now: number,
): TrackedSegment[] {
  const first = new Map<number, TrackedSegment>();
  for (const work of active) {
    const before = first.get(work.file);
    if (!work.small && (before === undefined || work.position < before.position)) first.set(work.file, work);
  }
  return [...first.values()].filter((work) => currentRate(work, now) * MUCH_SLOWER <= bestRate);
}
