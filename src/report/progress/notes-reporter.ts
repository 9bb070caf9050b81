import { Notices } from './notice.ts';
import type { ReporterContext } from './output.ts';
import type { Reporter } from './reporter.ts';

/** `--quiet`: prints nothing. The command prints the final path and the error. */
export function createQuietReporter(): Reporter {
  return { emit: () => undefined, pause: () => () => undefined, close: () => undefined };
}

export interface NotesReporterOptions extends ReporterContext {
  readonly verbose: boolean;
}

/** `--progress none`, and stderr beside `--json`: retries, failures and notes, but no progress. */
export function createNotesReporter(options: NotesReporterOptions): Reporter {
  const { output, time } = options;
  const notices = new Notices(options);
  let closed = false;
  const print = (text: string): void => {
    output.write(`fetch: ${text}\n`);
  };
  const stopTicking = time.every(1000, () => {
    for (const notice of notices.due(time.now())) print(notice.text);
  });
  return {
    emit(event) {
      if (closed || event.type === 'bytes') return;
      const notice = notices.of(event, time.now());
      if (notice !== undefined) print(notice.text);
    },
    // Whole lines may appear between a question and its answer.
    pause: () => () => {},
    close() {
      if (closed) return;
      closed = true;
      stopTicking();
      for (const notice of notices.rest()) print(notice.text);
    },
  };
}

/** Several reporters as one: `--json` on stdout with notes on stderr. */
export function joinReporters(reporters: readonly Reporter[]): Reporter {
  const [only] = reporters;
  if (reporters.length === 1 && only !== undefined) return only;
  return {
    emit(event) {
      for (const reporter of reporters) reporter.emit(event);
    },
    pause() {
      const goOn = reporters.map((reporter) => reporter.pause());
      return () => {
        for (const resume of goOn) resume();
      };
    },
    close() {
      for (const reporter of reporters) reporter.close();
    },
  };
}
