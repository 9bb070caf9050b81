import type { ErrorCode } from '../../model/error.ts';
import type { FileOutcome, TransferEvent } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import { repoPath } from '../../model/repo.ts';
import type { Output, ReporterContext, ReportTime } from './output.ts';
import type { Reporter } from './reporter.ts';
import { Tally } from './tally.ts';
import { Throughput } from './throughput.ts';

/** Incremented only when a field changes its meaning or is removed; new fields may be added at any time. */
export const JSON_VERSION = 1;

export interface DoneFacts {
  readonly path: string;
  /** Name of the model in Ollama's store. */
  readonly name?: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
  readonly fetchedBytes: number;
  /** What the network carried, and what was copied from this machine. */
  readonly wireBytes?: number | undefined;
  readonly copiedBytes?: number | undefined;
  /** With `--from`: what of the fetched bytes came from peers. */
  readonly peerBytes?: number | undefined;
  readonly elapsedMs: number;
}

export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly exit: number;
  readonly message: string;
  readonly hint: string | undefined;
}

const PROGRESS_MS = 1000;

/**
 * `--json`: one object per line on stdout. Each begins with `event` and `v` (1). Sizes are bytes, `rate` is
 * bytes per second, `seconds` and `delay` are seconds.
 *
 * - `resolved`: `repo` (`OWNER/NAME`, `datasets/OWNER/NAME`), `revision` (as asked), `commit` (40 hex digits)
 * - `planned`: `files`, `bytes` (of all files of the plan), `held` (bytes that are on this machine already)
 * - `file`: `path`, `bytes`, `how` (`transferred`, `kept`, `repaired`): once for each file that is right
 * - `progress`: `bytes` (here so far, held ones included), `total`, `rate` (network only); at most one per second,
 *   none while nothing changes
 * - `retry`: `what` (path, or what the hub was asked for), `attempt`, `delay`, `code`, `message`
 * - `failed`: `path`, `code`, `message`
 * - `done`: `path` (the directory or file), `commit`, `files`, `bytes`, `fetched` (bytes from the network), `peers` (those of
 *   them that peers sent; with `--from` only), `seconds`
 * - `error`: `code`, `exit` (the exit code), `message`, `hint` (null when there is none)
 *
 * `done` or `error` is the last line; the command line writes it with `doneLine` or `errorLine`.
 */
export function createJsonReporter(context: ReporterContext): Reporter {
  const reporter = new JsonReporter(context);
  return {
    emit: (event) => reporter.emit(event),
    // The display that a question would disturb is on stderr.
    pause: () => () => {},
    close: () => reporter.close(),
  };
}

class JsonReporter {
  readonly #output: Output;
  readonly #time: ReportTime;
  readonly #tally = new Tally();
  readonly #throughput = new Throughput();
  readonly #stopTicking: () => void;
  #lastProgress = '';
  #closed = false;

  constructor({ output, time }: ReporterContext) {
    this.#output = output;
    this.#time = time;
    this.#stopTicking = time.every(PROGRESS_MS, () => this.#printProgress());
  }

  emit(event: TransferEvent): void {
    if (this.#closed) return;
    // Read before the event is applied: a finished file is not printed twice.
    const known = event.type === 'file-finished' && this.#tally.file(event.path)?.state === 'finished';
    this.#tally.apply(event);
    switch (event.type) {
      case 'bytes':
        this.#throughput.record(event.count, this.#time.now());
        return;
      case 'resolved': {
        const { repo, name, id: commit } = event.revision;
        this.#print('resolved', { repo: repoPath(repo), revision: name, commit });
        return;
      }
      case 'planned':
        this.#throughput.start(this.#time.now());
        this.#printPlan(event.plan);
        return;
      case 'file-finished':
        if (!known) this.#printFile(event.path, event.size, event.how);
        return;
      case 'retrying': {
        const { what, attempt, code, message } = event;
        this.#print('retry', { what, attempt, delay: toSeconds(event.delayMs), code, message });
        return;
      }
      case 'file-failed':
        this.#print('failed', { path: event.path, code: event.code, message: event.message });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTicking();
  }

  #printPlan({ files, totals }: Plan): void {
    const { totalFiles, totalBytes, heldBytes } = this.#tally;
    this.#print('planned', {
      files: totalFiles,
      bytes: totalBytes,
      held: heldBytes + (totals.reuseBytes ?? 0),
      ...(totals.reuseBytes === undefined ? {} : { wire: totals.fetchBytes, copied: totals.reuseBytes }),
    });
    for (const { action, file } of files)
      if (action === 'keep') this.#printFile(file.path, file.size, 'kept');
  }

  #printFile(path: string, bytes: number, how: FileOutcome): void {
    this.#print('file', { path, bytes, how });
  }

  #printProgress(): void {
    if (this.#tally.plan === undefined) return;
    const rate = Math.round(this.#throughput.rate(this.#time.now()));
    const { doneBytes: bytes, totalBytes: total } = this.#tally;
    const line = jsonLine('progress', { bytes, total, rate });
    if (line !== this.#lastProgress) this.#output.write(line);
    this.#lastProgress = line;
  }

  #print(event: string, fields: object): void {
    this.#output.write(jsonLine(event, fields));
  }
}

/** The last line of a run that succeeded. */
export function doneLine(facts: DoneFacts): string {
  const { path, name, commit, files, bytes, elapsedMs } = facts;
  const { fetchedBytes, wireBytes, copiedBytes = 0, peerBytes } = facts;
  return jsonLine('done', {
    path,
    ...(name === undefined ? {} : { name }),
    commit,
    files,
    bytes,
    fetched: fetchedBytes,
    ...(peerBytes === undefined ? {} : { peers: peerBytes }),
    ...(wireBytes === undefined || (wireBytes === fetchedBytes && copiedBytes === 0)
      ? {}
      : { wire: wireBytes, copied: copiedBytes }),
    seconds: toSeconds(elapsedMs),
  });
}

/** The last line of a run that failed or was interrupted. */
export function errorLine(facts: ErrorFacts): string {
  const { code, exit, message, hint } = facts;
  return jsonLine('error', { code, exit, message, hint: hint ?? null });
}

function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}

function jsonLine(event: string, fields: object): string {
  return `${safeJson({ event, v: JSON_VERSION, ...fields })}\n`;
}

// JSON.stringify escapes only what lies below the blank. Other characters that can disturb a terminal, or a reader
// that splits at Unicode line ends, are written as \uXXXX too: the value stays the same.
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** JSON without control or direction characters, which could affect a terminal; it parses to the same value. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    UNSAFE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
