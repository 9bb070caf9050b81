import type { Tally } from './tally.ts';
import type { Throughput } from './throughput.ts';

/** Mean size below which files cost round trips rather than bandwidth. */
const SMALL_MEAN_BYTES = 1_000_000;
/** Minimum of finished files for an estimate by files. */
const MIN_FILES = 20;

/**
 * Milliseconds to the end. By bytes; but where many small files are left, the files that were finished so far tell more
 * than their bytes, and the shorter of the two counts. Undefined when nothing arrives.
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
