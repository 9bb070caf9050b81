import type { Tally } from './tally.ts';
import type { Throughput } from './throughput.ts';

/** Mean size below which files cost round trips rather than bandwidth. */
const SMALL_MEAN_BYTES = 1_000_000;
/** Minimum of finished files for an estimate by files. */
const MIN_FILES = 20;

/**
 * Estimated milliseconds to the end, by bytes. If many small files are left, the rate of finished files is a better
 * measure, and the shorter estimate counts. Undefined while nothing arrives.
 */
export function timeLeftOf(tally: Tally, throughput: Throughput, now: number): number | undefined {
  const byBytes = throughput.timeLeft(tally.remainingBytes, now);
  const left = tally.totalFiles - tally.finishedFiles - tally.failedFiles;
  const done = tally.finishedFiles - tally.outcomes.kept;
  const elapsed = throughput.elapsed(now);
  if (byBytes === undefined || elapsed === undefined || done < MIN_FILES || left <= 0) return byBytes;
  if (tally.remainingBytes / left >= SMALL_MEAN_BYTES) return byBytes;
  return Math.min(byBytes, (elapsed * left) / done);
}
