import type { TransferEvent } from '../../model/event.ts';
import {
  formatBytes,
  formatDuration,
  formatRate,
  groupDigits,
  printable,
  wholePercent,
} from '../../model/format.ts';
import { planSentence, revisionSentence } from '../../model/plan-sentence.ts';
import { Burst } from './burst.ts';
import { Notices } from './notice.ts';
import type { Output, ReportTime } from './output.ts';
import type { Reporter } from './reporter.ts';
import { Tally } from './tally.ts';
import { Throughput } from './throughput.ts';
import { timeLeftOf } from './time-left.ts';

export interface LineReporterOptions {
  readonly output: Output;
  readonly time: ReportTime;
  readonly verbose: boolean;
  /** Between two lines of progress. */
  readonly intervalMs?: number;
}

/** The time between two lines is this part of the time that has passed. */
const STRETCH = 12;
const MAX_INTERVAL_MS = 60_000;

/** Milliseconds to the next line of progress: short at first, a minute in runs of many hours. */
export function nextInterval(elapsedMs: number, shortestMs: number): number {
  const stretched = Math.min(MAX_INTERVAL_MS, elapsedMs / STRETCH);
  return Math.max(shortestMs, stretched);
}

/** The first line comes early: it tells whoever started the job that bytes do move. */
const FIRST_LINE_MS = 1000;
const TICK_MS = 500;
/** A file of this size gets a line when it is done; smaller ones only show in the count of files. */
const BIG_FILE_BYTES = 100_000_000;
/** Every file gets its line when there are no more than this many. */
const MIN_FILES = 12;

/**
 * For logs and CI: plain lines without control codes, their number bounded by the time that passes and not
 * by the number of files, events or troubles.
 */
export function createLineReporter(options: LineReporterOptions): Reporter {
  const { output, time } = options;
  const intervalMs = options.intervalMs ?? 5000;
  const tally = new Tally();
  const throughput = new Throughput();
  const notices = new Notices(options);
  const finished = new Burst(5, intervalMs);
  let nextLineAt: number | undefined;
  let startedAt = 0;
  let lastLine = '';
  let closed = false;
  let paused = false;

  const print = (text: string): void => {
    output.write(`fetch: ${text}\n`);
  };

  const printProgress = (now: number): void => {
    const line = progressLine(tally, throughput, now);
    // A line that says nothing new, such as that of a long stall, is left out.
    if (line !== lastLine) print(line);
    lastLine = line;
    nextLineAt = now + nextInterval(now - startedAt, intervalMs);
  };

  const tick = (): void => {
    const now = time.now();
    for (const notice of notices.due(now)) print(notice.text);
    // Files that found no room for a line of their own are in the count of files: only forget them here.
    finished.drain(now);
    if (
      !paused &&
      nextLineAt !== undefined &&
      now >= nextLineAt &&
      tally.remainingBytes + tally.activeFiles > 0
    ) {
      printProgress(now);
    }
  };
  const stopTicking = time.every(TICK_MS, tick);

  const showFinished = (event: TransferEvent & { readonly type: 'file-finished' }, now: number): void => {
    if (event.how === 'kept') return;
    if (event.size < BIG_FILE_BYTES && tally.totalFiles > MIN_FILES) return;
    if (!finished.admit(now)) return;
    const verb = event.how === 'repaired' ? 'repaired' : 'verified';
    print(`${printable(event.path)} ${verb}, ${formatBytes(event.size)}`);
  };

  const emit = (event: TransferEvent): void => {
    if (closed) return;
    tally.apply(event);
    const now = time.now();
    switch (event.type) {
      case 'bytes':
        throughput.record(event.count, now);
        return;
      case 'resolved':
        print(revisionSentence(event.revision));
        return;
      case 'planned':
        print(planSentence(event.plan));
        print(`into ${printable(event.directory)}`);
        throughput.start(now);
        startedAt = now;
        nextLineAt = now + Math.min(FIRST_LINE_MS, intervalMs);
        return;
      case 'file-finished':
        showFinished(event, now);
        return;
      default: {
        const notice = notices.of(event, now);
        if (notice !== undefined) print(notice.text);
      }
    }
  };

  const close = (): void => {
    if (closed) return;
    closed = true;
    stopTicking();
    for (const notice of notices.rest()) print(notice.text);
  };

  // Lines of progress would stand between a question and its answer.
  const pause = () => {
    paused = true;
    return () => {
      paused = false;
    };
  };

  return { emit, pause, close };
}

/** `42% 3.40 GB of 8.17 GB, 112 MB/s, 41s left, 3 of 10 files`. */
function progressLine(tally: Tally, throughput: Throughput, now: number): string {
  const bytes = `${formatBytes(tally.doneBytes)} of ${formatBytes(tally.totalBytes)}`;
  const parts = [`${wholePercent(tally.doneBytes, tally.totalBytes)}% ${bytes}`];
  if (tally.remainingBytes > 0) {
    const timeLeft = timeLeftOf(tally, throughput, now);
    parts.push(formatRate(throughput.rate(now)));
    parts.push(timeLeft === undefined ? 'waiting for data' : `${formatDuration(timeLeft)} left`);
  } else parts.push('verifying');
  parts.push(`${groupDigits(tally.finishedFiles)} of ${groupDigits(tally.totalFiles)} files`);
  if (tally.failedFiles > 0) parts.push(`${groupDigits(tally.failedFiles)} failed`);
  return parts.join(', ');
}
