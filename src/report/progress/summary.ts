import { formatBytes, formatCount, formatDuration, formatRate, groupDigits } from '../../model/format.ts';
import type { Tally } from './tally.ts';

/** Totals of a run, for its last line. */
export interface RunFacts {
  readonly files: number;
  readonly bytes: number;
  /** Files that were right before the run and not fetched. */
  readonly keptFiles: number;
  readonly repairedFiles: number;
  /** Bytes on disk now, unfinished files included, files not yet checked excluded. */
  readonly doneBytes: number;
  readonly fetchedBytes: number;
  /** Those of them that peers sent; undefined if no peer was named. */
  readonly peerBytes?: number | undefined;
  readonly finishedFiles: number;
  readonly retries: number;
  readonly elapsedMs: number;
}

export function runFacts(tally: Tally, elapsedMs: number): RunFacts {
  return {
    files: tally.totalFiles,
    bytes: tally.totalBytes,
    keptFiles: tally.outcomes.kept,
    repairedFiles: tally.outcomes.repaired,
    doneBytes: tally.doneBytes - tally.uncheckedBytes,
    fetchedBytes: tally.fetchedBytes,
    finishedFiles: tally.finishedFiles,
    retries: tally.retries,
    elapsedMs,
  };
}

/**
 * The line after success: `10 files, 8.17 GB, all verified; fetched 6.97 GB in 1m 02s (112 MB/s); 3 files were
 * already here`.
 */
export function successSummary(facts: RunFacts): string {
  const parts = [
    `${formatCount(facts.files, 'file')}, ${formatBytes(facts.bytes)}, ${verified(facts.files)}`,
  ];
  if (facts.fetchedBytes > 0) {
    const rate = formatRate((facts.fetchedBytes * 1000) / Math.max(1, facts.elapsedMs));
    const fetched = formatBytes(facts.fetchedBytes);
    const fromPeers =
      facts.peerBytes === undefined ? '' : `, ${formatBytes(facts.peerBytes)} of it from peers`;
    parts.push(`fetched ${fetched} in ${formatDuration(facts.elapsedMs)} (${rate})${fromPeers}`);
  } else parts.push('nothing to fetch');
  if (facts.keptFiles > 0 && facts.keptFiles < facts.files) {
    parts.push(
      `${formatCount(facts.keptFiles, 'file')} ${facts.keptFiles === 1 ? 'was' : 'were'} already here`,
    );
  }
  if (facts.repairedFiles > 0) parts.push(`${formatCount(facts.repairedFiles, 'file')} repaired`);
  if (facts.retries > 0)
    parts.push(`${groupDigits(facts.retries)} ${facts.retries === 1 ? 'retry' : 'retries'}`);
  return parts.join('; ');
}

function verified(files: number): string {
  return files === 1 ? 'verified' : 'all verified';
}

/** The last line after a signal or a failure: what is kept, and that the same command resumes. */
export function interruptedSummary(facts: RunFacts): string {
  if (facts.doneBytes === 0) return 'nothing was fetched yet; run the same command again to start over';
  const bytes = `${formatBytes(facts.doneBytes)} of ${formatBytes(facts.bytes)}`;
  const files = `${groupDigits(facts.finishedFiles)} of ${formatCount(facts.files, 'file')} complete`;
  return `${bytes} kept (${files}); run the same command again to resume`;
}
