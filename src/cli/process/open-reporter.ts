import { createBarReporter } from '../../report/progress/bar-reporter.ts';
import { type CheckReporter, createCheckReporter } from '../../report/progress/check-reporter.ts';
import { chooseReporters, type ReporterKind } from '../../report/progress/choose-reporter.ts';
import { createJsonReporter } from '../../report/progress/json-reporter.ts';
import { createLineReporter } from '../../report/progress/line-reporter.ts';
import { createNotesReporter, joinReporters } from '../../report/progress/notes-reporter.ts';
import type { Output, ReporterContext, ReportTime } from '../../report/progress/output.ts';
import type { Reporter } from '../../report/progress/reporter.ts';
import type { DownloadOptions, DownloadSettings } from '../options/settings.ts';
import { isForeground } from './job-control.ts';
import { standardOutput } from './standard-output.ts';

export const reportTime: ReportTime = {
  now: () => performance.now(),
  every: (intervalMs, tick) => {
    const timer = setInterval(tick, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Chooses reporters by the options and by terminal, pipe or CI. */
function reporterKinds(
  options: Pick<DownloadOptions, 'quiet' | 'json'>,
  settings: Pick<DownloadSettings, 'progress'>,
): readonly ReporterKind[] {
  return chooseReporters({
    progress: settings.progress.value,
    quiet: options.quiet ?? false,
    json: options.json ?? false,
    isTTY: process.stderr.isTTY ?? false,
    TERM: process.env['TERM'],
    NO_COLOR: process.env['NO_COLOR'],
    CI: process.env['CI'],
  });
}

/** Opens the reporters of a run. Only those that are needed are loaded. */
export async function openReporter(
  options: DownloadOptions,
  settings: DownloadSettings,
  subject: string,
): Promise<Reporter> {
  const kinds = reporterKinds(options, settings);
  const verbose = options.verbose ?? false;
  return joinReporters(await Promise.all(kinds.map((kind) => REPORTERS[kind]({ verbose, subject }))));
}

/** Opens the display of a check of files on disk, which has only one kind of progress. */
export function openCheckReporter(
  options: Pick<DownloadOptions, 'quiet' | 'json'>,
  settings: Pick<DownloadSettings, 'progress'>,
): CheckReporter {
  const kinds = reporterKinds(options, settings);
  const kind = kinds.find((one) => one === 'bar' || one === 'line') ?? 'none';
  return createCheckReporter({ ...onStandardError(), kind });
}

interface ReporterFacts {
  readonly verbose: boolean;
  readonly subject: string;
}

const REPORTERS: Readonly<Record<ReporterKind, (facts: ReporterFacts) => Reporter | Promise<Reporter>>> = {
  bar: (facts) => createBarReporter({ ...onStandardError(), ...facts, colour: true }),
  line: ({ verbose }) => createLineReporter({ ...onStandardError(), verbose }),
  notes: ({ verbose }) => createNotesReporter({ ...onStandardError(), verbose }),
  json: () => createJsonReporter({ output: standardOutput, time: reportTime }),
};

function onStandardError(): ReporterContext {
  return { output: standardError(), time: reportTime };
}

/** stderr as an `Output` of reporters. */
function standardError(): Output {
  const { stderr } = process;
  return {
    write: (text) => stderr.write(text),
    isForeground,
    get isTTY() {
      return stderr.isTTY;
    },
    get columns() {
      return stderr.columns;
    },
    get rows() {
      return stderr.rows;
    },
    get writableNeedDrain() {
      return stderr.writableNeedDrain;
    },
  };
}
