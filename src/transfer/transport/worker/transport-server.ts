import type { ByteRange } from '../../../model/byte-range.ts';
import { toFetchError } from '../../../model/error.ts';
import type { ArrivedChunk, RangeObserver, RangeWindow, Transport } from '../transport.ts';
import { packChunks } from './packed-chunks.ts';
import { packReports, type Written } from './packed-reports.ts';
import type { TransportCommand, TransportReply } from './transport-messages.ts';
import { toPlainError } from './transport-messages.ts';

/**
 * The first write of a job is reported at once, because it ends a wait. Later ones are reported together: after this time,
 * or sooner when one job has this many bytes. A kill loses what was not reported, and the hash waits for it; but a report
 * wakes the main thread.
 */
const REPORT_MS = 100;
const REPORT_BYTES = 1024 * 1024;
const MIN_REPORT_MS = 20;
/** Of chunks, which come slower: a kill loses what was not reported. Half a block of the journal. */
const MIN_CHUNK_BYTES = 128 * 1024;
/** Where they come fast, reports so often would take a tenth of the time: after this time, or so many bytes. */
const CHUNK_REPORT_MS = 5;
const MAX_CHUNK_BYTES = 512 * 1024;

type BringCommand = Extract<TransportCommand, { op: 'bring' }>;

/** Executes the commands of an I/O thread with the transports that live in it. */
export class TransportServer {
  readonly #transport: Transport;
  readonly #reply: (reply: TransportReply) => void;
  readonly #jobs = new Map<number, Job>();
  #reporting: NodeJS.Timeout | undefined;
  #reportedAt = 0;

  constructor(transport: Transport, reply: (reply: TransportReply) => void) {
    this.#transport = transport;
    this.#reply = reply;
  }

  handle(command: TransportCommand): void {
    if (command.op === 'bring') {
      void this.#bring(command);
      return;
    }
    if (command.op === 'elsewhere') {
      this.#transport.elsewhere?.();
      return;
    }
    const job = this.#jobs.get(command.id);
    if (job === undefined) return;
    if (command.op === 'abort') job.abort();
    else if (command.op === 'narrow') job.narrow(command.end);
    else job.widen(command.range);
  }

  async #bring(command: BringCommand): Promise<void> {
    const { op: _, id, range, ...rest } = command;
    const job = new Job(id, range, this.#reply, () => this.#reportIfDue());
    this.#jobs.set(id, job);
    this.#reporting ??= setInterval(() => this.#report(), REPORT_MS);
    let end: TransportReply;
    try {
      const { window } = job;
      await this.#transport.bring({ ...rest, window }, job, job.signal);
      end = { kind: 'done', id, last: job.takeUnreported() };
    } catch (error) {
      end = job.isDone
        ? { kind: 'done', id, last: job.takeUnreported() }
        : { kind: 'failed', id, error: toPlainError(toFetchError(error)) };
      // Report first: what a refusal means depends on the bytes that came from the same location before it.
      this.#report();
    }
    this.#jobs.delete(id);
    this.#reply(end);
    if (this.#jobs.size > 0) return;
    clearInterval(this.#reporting);
    this.#reporting = undefined;
  }

  #reportIfDue(): void {
    if (performance.now() - this.#reportedAt >= MIN_REPORT_MS) this.#report();
  }

  #report(): void {
    this.#reportedAt = performance.now();
    const reports = [...this.#jobs].flatMap(([id, job]) => {
      const written = job.takeUnreported();
      return written === undefined ? [] : [{ id, written }];
    });
    if (reports.length > 0) this.#reply({ kind: 'reports', reports: packReports(reports) });
    this.#reporting?.refresh();
  }
}

/** One active window, and what was written of it since the last report. */
class Job implements RangeObserver {
  readonly window: RangeWindow;
  readonly #id: number;
  readonly #reply: (reply: TransportReply) => void;
  readonly #onFull: () => void;
  readonly #controller = new AbortController();
  #unreported: { start: number; end: number; wireBytes: number } | undefined;
  #hasReported = false;
  #reportedAt = 0;
  #chunks: ArrivedChunk[] = [];
  #onWidened: () => void = () => {};
  #isDone = false;

  /** `onFull` is called after each write while so much was written that all jobs are to be reported. */
  constructor(id: number, range: ByteRange, reply: (reply: TransportReply) => void, onFull: () => void) {
    this.#id = id;
    this.window = { position: range.start, end: range.end };
    this.#reply = reply;
    this.#onFull = onFull;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The window is filled although the request was for more. */
  get isDone(): boolean {
    return this.#isDone;
  }

  narrow(end: number): void {
    this.window.end = Math.min(this.window.end, end);
    if (this.window.position < this.window.end) return;
    // Abort now: the request would only end with its next byte, and that may take long.
    this.#isDone = true;
    this.#controller.abort(new Error('nothing more is wanted'));
  }

  abort(): void {
    this.#controller.abort(new Error('aborted by the main thread'));
    this.#onWidened();
  }

  widen({ start, end }: ByteRange): void {
    this.window.position = start;
    this.window.end = end;
    this.#onWidened();
  }

  wrote({ start, end }: ByteRange, wireBytes: number = end - start): void {
    if (this.#unreported?.end === start) {
      this.#unreported.end = end;
      this.#unreported.wireBytes += wireBytes;
    } else {
      this.report();
      this.#unreported = { start, end, wireBytes };
    }
    // A write that fills the window is reported with the end of the job.
    const isFirst = !this.#hasReported && this.window.position < this.window.end;
    const length = this.#unreported.end - this.#unreported.start;
    if (isFirst || (this.#chunks.length > 0 && this.#isDue(length))) this.report();
    else if (length >= REPORT_BYTES) this.#onFull();
  }

  #isDue(length: number): boolean {
    if (length < MIN_CHUNK_BYTES) return false;
    return length >= MAX_CHUNK_BYTES || performance.now() - this.#reportedAt >= CHUNK_REPORT_MS;
  }

  chunk(chunk: ArrivedChunk): void {
    this.#chunks.push(chunk);
  }

  report(): void {
    const written = this.takeUnreported();
    if (written !== undefined) this.#reply({ kind: 'wrote', id: this.#id, written });
  }

  takeUnreported(): Written | undefined {
    const unreported = this.#unreported;
    if (unreported === undefined) return undefined;
    this.#unreported = undefined;
    this.#hasReported = true;
    this.#reportedAt = performance.now();
    const { start, end, wireBytes } = unreported;
    if (this.#chunks.length === 0) return { range: { start, end }, wireBytes };
    const chunks = packChunks(this.#chunks);
    this.#chunks = [];
    return { range: { start, end }, wireBytes, chunks };
  }

  /** Only the main thread knows what else is missing from the file. */
  async wholeFile(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onWidened = resolve;
      this.#reply({ kind: 'whole', id: this.#id });
    });
    this.signal.throwIfAborted();
  }

  movedTo(url: string): void {
    this.#reply({ kind: 'moved', id: this.#id, url });
  }
}
