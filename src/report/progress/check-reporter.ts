import {
  formatBytes,
  formatBytesOf,
  formatCount,
  formatDuration,
  formatRate,
  wholePercent,
} from '../../model/format.ts';
import { nextInterval } from './line-reporter.ts';
import type { ReporterContext } from './output.ts';
import { Throughput } from './throughput.ts';

/** Shows the progress of a check. */
export interface CheckReporter {
  planned(files: number, bytes: number): void;
  read(bytes: number): void;
  checked(): void;
  /** Stops and leaves the line as it was. Safe to call twice. */
  close(): void;
}

export interface CheckReporterOptions extends ReporterContext {
  /** `bar` redraws one line, `line` prints one every few seconds. */
  readonly kind: 'bar' | 'line' | 'none';
}

const FRAME_MS = 100;
const FIRST_LINE_MS = 2000;
const LINE_MS = 5000;
const BAR_COLUMNS = 26;

export function createCheckReporter({ output, time, kind }: CheckReporterOptions): CheckReporter {
  const throughput = new Throughput();
  const state = { files: 0, checked: 0, bytes: 0, read: 0 };
  let startedAt = 0;
  let nextLineAt = Number.POSITIVE_INFINITY;
  let drawn = false;
  let closed = false;

  const tick = (): void => {
    if (state.files === 0) return;
    const now = time.now();
    if (kind === 'bar') {
      if (output.isForeground?.() === false) return;
      const columns = Math.max(1, (output.columns || 80) - 1);
      output.write(`\r\x1b[K${barText(state, throughput, now).slice(0, columns)}`);
      drawn = true;
    } else if (now >= nextLineAt) {
      nextLineAt = now + nextInterval(now - startedAt, LINE_MS);
      output.write(`fetch: ${lineText(state, throughput, now)}\n`);
    }
  };
  const stopTicking = kind === 'none' ? () => {} : time.every(FRAME_MS, tick);

  return {
    planned(files, bytes) {
      Object.assign(state, { files, bytes });
      throughput.start(time.now());
      startedAt = time.now();
      nextLineAt = startedAt + FIRST_LINE_MS;
    },
    read(bytes) {
      state.read += bytes;
      throughput.record(bytes, time.now());
    },
    checked() {
      state.checked += 1;
    },
    close() {
      if (closed) return;
      closed = true;
      stopTicking();
      if (drawn) output.write('\r\x1b[K');
    },
  };
}

interface CheckState {
  readonly files: number;
  readonly checked: number;
  readonly bytes: number;
  readonly read: number;
}

function barText(state: CheckState, throughput: Throughput, now: number): string {
  const filled = Math.floor((wholePercent(state.read, state.bytes) / 100) * (BAR_COLUMNS - 2));
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - 2 - filled)}]`;
  const percent = `${wholePercent(state.read, state.bytes)}%`.padStart(4);
  const parts = [bar, percent, formatBytesOf(state.read, state.bytes), formatRate(throughput.rate(now))];
  const left = throughput.timeLeft(state.bytes - state.read, now);
  if (left !== undefined) parts.push(`${formatDuration(left)} left`);
  return [...parts, `${state.checked}/${formatCount(state.files, 'file')}`].join('  ');
}

function lineText(state: CheckState, throughput: Throughput, now: number): string {
  const bytes = `${formatBytes(state.read)} of ${formatBytes(state.bytes)}`;
  const files = `${state.checked} of ${formatCount(state.files, 'file')}`;
  const percent = wholePercent(state.read, state.bytes);
  return `${percent}% ${bytes} read, ${formatRate(throughput.rate(now))}, ${files}`;
}
