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
import type { Output, ReporterContext, ReportTime } from './output.ts';
import type { Reporter } from './reporter.ts';
import { Tally } from './tally.ts';
import { Throughput } from './throughput.ts';
import { timeLeftOf } from './time-left.ts';

export interface LineReporterOptions extends ReporterContext {
  readonly verbose: boolean;
  /** Milliseconds between two lines of progress. */
  readonly intervalMs?: number;
}

/** The interval is the elapsed time divided by this. */
const STRETCH = 12;
const MAX_INTERVAL_MS = 60_000;

/** Milliseconds to the next line of progress: short at first, a minute in runs of many hours. */
export function nextInterval(elapsedMs: number, shortestMs: number): number {
  const stretched = Math.min(MAX_INTERVAL_MS, elapsedMs / STRETCH);
  return Math.max(shortestMs, stretched);
}

/** The first line comes early, to show that bytes arrive. */
const FIRST_LINE_MS = 1000;
const TICK_MS = 500;
/** A file of this size gets a line when it is done; smaller ones only show in the count of files. */
const BIG_FILE_BYTES = 100_000_000;
/** With at most this many files, every file gets a line. */
const MIN_FILES = 12;

/**
 * For logs and CI: plain lines without control codes. Their number is bounded by the elapsed time, not by the number
 * of files, events or failures.
 */
export function createLineReporter(options: LineReporterOptions): Reporter {
  const reporter = new LineReporter(options);
  return {
    emit: (event) => reporter.emit(event),
    pause: () => reporter.pause(),
    close: () => reporter.close(),
  };
}

class LineReporter {
  readonly #output: Output;
  readonly #time: ReportTime;
  readonly #intervalMs: number;
  readonly #tally = new Tally();
  readonly #throughput = new Throughput();
  readonly #notices: Notices;
  readonly #finished: Burst;
  readonly #stopTicking: () => void;
  #nextLineAt: number | undefined;
  #startedAt = 0;
  #lastLine = '';
  #closed = false;
  #paused = false;

  constructor(options: LineReporterOptions) {
    const { output, time, intervalMs = 5000 } = options;
    this.#output = output;
    this.#time = time;
    this.#intervalMs = intervalMs;
    this.#notices = new Notices(options);
    this.#finished = new Burst(5, intervalMs);
    this.#stopTicking = time.every(TICK_MS, () => this.#tick());
  }

  emit(event: TransferEvent): void {
    if (this.#closed) return;
    this.#tally.apply(event);
    const now = this.#time.now();
    switch (event.type) {
      case 'bytes':
      case 'copied':
        this.#throughput.record(event.count, now);
        return;
      case 'resolved':
        this.#print(revisionSentence(event.revision));
        return;
      case 'planned':
        this.#print(planSentence(event.plan));
        this.#print(`into ${printable(event.directory)}`);
        this.#throughput.start(now);
        this.#startedAt = now;
        this.#nextLineAt = now + Math.min(FIRST_LINE_MS, this.#intervalMs);
        return;
      case 'file-finished':
        this.#showFinished(event, now);
        return;
      default: {
        const notice = this.#notices.of(event, now);
        if (notice !== undefined) this.#print(notice.text);
      }
    }
  }

  /** No progress line may come between a question and its answer. */
  pause(): () => void {
    this.#paused = true;
    return () => {
      this.#paused = false;
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTicking();
    for (const notice of this.#notices.rest()) this.#print(notice.text);
  }

  #tick(): void {
    const now = this.#time.now();
    for (const notice of this.#notices.due(now)) this.#print(notice.text);
    // Files beyond the limit of lines are counted; they get no line later.
    this.#finished.drain(now);
    if (this.#paused || this.#nextLineAt === undefined || now < this.#nextLineAt) return;
    if (this.#tally.remainingBytes + this.#tally.activeFiles > 0) this.#printProgress(now);
  }

  #printProgress(now: number): void {
    const line = progressLine(this.#tally, this.#throughput, now);
    // Do not repeat an unchanged line, for example during a long stall.
    if (line !== this.#lastLine) this.#print(line);
    this.#lastLine = line;
    this.#nextLineAt = now + nextInterval(now - this.#startedAt, this.#intervalMs);
  }

  #showFinished(event: TransferEvent & { readonly type: 'file-finished' }, now: number): void {
    if (event.how === 'kept') return;
    if (event.size < BIG_FILE_BYTES && this.#tally.totalFiles > MIN_FILES) return;
    if (!this.#finished.admit(now)) return;
    const verb = event.how === 'repaired' ? 'repaired' : 'verified';
    this.#print(`${printable(event.path)} ${verb}, ${formatBytes(event.size)}`);
  }

  #print(text: string): void {
    this.#output.write(`fetch: ${text}\n`);
  }
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
