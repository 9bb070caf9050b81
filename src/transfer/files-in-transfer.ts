import pLimit from 'p-limit';
import { FetchError, toFetchError } from '../model/error.ts';
import type { FileOutcome } from '../model/event.ts';
import { copiedFrom, type PlannedFile, piecesFrom } from '../model/plan.ts';
import { FileFinalizer } from './file-finalizer.ts';
import { FileTransfer } from './file-transfer.ts';
import type { RunState } from './run-state.ts';
import type { MissingRange } from './scheduling/schedule.ts';
import type { Segment } from './scheduling/segment.ts';
import type { FileFailure } from './transfer-context.ts';

/** Failures that concern one file; all others end the run. */
const FILE_FAILURES = new Set(['INTEGRITY', 'NOT_FOUND']);
/** Of files that lack nothing but their hash, only so many are open. */
const MAX_OPENING = 8;

/** The files of a run, from the plan to their final name or their failure. Each is known by a number. */
export class FilesInTransfer implements AsyncDisposable {
  readonly #run: RunState;
  readonly #finalizer: FileFinalizer;
  readonly #files: FileTransfer[] = [];
  readonly #failures: FileFailure[] = [];
  readonly #opening = pLimit(MAX_OPENING);
  #unsettled = 0;
  /** Segments at work, also those that were stopped and are still ending a write. */
  #atWork = 0;

  constructor(run: RunState) {
    this.#run = run;
    this.#finalizer = new FileFinalizer(run.context, run.signal);
  }

  /** Files that are neither right nor given up. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** So many files wait for their hash that bringing more of them would only pile them up. */
  get congested(): boolean {
    return this.#finalizer.congested;
  }

  get failures(): readonly FileFailure[] {
    return this.#failures;
  }

  get fetchedBytes(): number {
    return this.#files.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0);
  }

  get copiedBytes(): number {
    return this.#files.reduce((sum, { copiedBytes }) => sum + copiedBytes, 0);
  }

  get(number: number): FileTransfer {
    return this.#files[number]!;
  }

  /** Hands a file of the plan to those who do its part of the work. */
  add(planned: PlannedFile): void {
    if (planned.action === 'keep') this.#emitFinished(planned, 'kept');
    else if (planned.action === 'check') this.#run.background.add(this.#check(planned));
    else this.#transfer(planned);
  }

  /** Hashes what stands there; what is not right is transferred after all. */
  async #check(planned: PlannedFile): Promise<void> {
    this.#unsettled += 1;
    if (await this.#finalizer.check(planned)) {
      this.#emitFinished(planned, 'kept');
    } else {
      const { path } = planned.file;
      const message = `${path} differs from the revision: it is replaced`;
      this.#run.context.emit({ type: 'note', message });
      this.#transfer(planned);
    }
    this.#settle();
  }

  #transfer(planned: PlannedFile): void {
    const { store, hasher } = this.#run.context;
    const number = this.#files.length;
    const transfer = new FileTransfer(planned, (wanted) => store.stage(wanted), hasher);
    this.#files.push(transfer);
    this.#unsettled += 1;
    this.#run.copies.add(number, planned.pieces);
    const remote = piecesFrom(planned, 'remote').map(({ start, end, from: { splittable } }) => {
      return { start, end, splittable };
    });
    if (remote.length > 0) this.#fetch(number, remote);
    if (remote.length > 0 || copiedFrom(planned) !== undefined) return;
    // Empty, or all of it came in an earlier run: only the hash is left.
    const { background, signal } = this.#run;
    background.add(
      this.#opening(async () => {
        signal.throwIfAborted();
        await this.open(number);
        if (transfer.complete) await this.#finish(number, transfer);
      }),
    );
  }

  #fetch(number: number, ranges: readonly MissingRange[]): void {
    this.#run.schedule.add(number, this.get(number).file.size, ranges);
    this.#run.wakeup.wake();
  }

  /** Opens the part of a file, once. What the plan took for held and the part lacks is fetched. */
  async open(number: number): Promise<void> {
    const transfer = this.get(number);
    const { path, size } = transfer.file;
    await transfer.open((held, lost) => {
      const { reachBytes } = transfer.staged;
      if (reachBytes !== undefined) this.#run.schedule.limitReach(reachBytes);
      this.#run.context.emit({ type: 'file-started', path, size, held });
      this.#fetch(number, lost);
    });
  }

  /**
   * Does `work` on a segment that was taken from a queue. When the last one leaves a file whose bytes are all there,
   * the file is verified and named in the background.
   */
  async withSegment(
    segment: Segment,
    work: (transfer: FileTransfer, stop: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const transfer = this.get(segment.file);
    const stop = this.#run.begin(segment);
    transfer.segments += 1;
    this.#atWork += 1;
    try {
      await work(transfer, stop);
    } finally {
      transfer.segments -= 1;
      this.#atWork -= 1;
      this.#run.end(segment);
    }
    // One that was told to stop may still be writing: only the last one leaves a file that stays as it is.
    if (transfer.segments > 0) return;
    if (transfer.settled) await transfer[Symbol.asyncDispose]();
    else if (transfer.complete) this.#run.background.add(this.#finish(segment.file, transfer));
  }

  /** The server sends everything to this connection: it takes the whole file, all others let go of it. */
  takeWhole(segment: Segment): void {
    const { schedule, copies } = this.#run;
    const transfer = this.get(segment.file);
    const all = { start: transfer.firstMissing, end: transfer.file.size };
    const { stopped } = copies.drop(segment.file);
    for (const other of [...schedule.takeWholeFile(segment, all), ...stopped]) this.#run.stopSegment(other);
  }

  /** Fetches what should have been copied from this machine. `why` is for people. */
  async refuseCopy(number: number, why: string): Promise<void> {
    const { copies, context } = this.#run;
    const transfer = this.get(number);
    if (!transfer.copyRefused) {
      transfer.copyRefused = true;
      context.emit({ type: 'note', message: why });
    }
    try {
      await context.onCopyRefused?.(transfer.file);
    } catch (error) {
      this.#run.stop(error);
      throw error;
    }
    const { stopped, left } = copies.drop(number);
    for (const segment of stopped) this.#run.stopSegment(segment);
    this.#fetch(number, left);
  }

  async #finish(number: number, transfer: FileTransfer): Promise<void> {
    transfer.settled = true;
    // A late write of a stopped connection may have brought the bytes that another one was still to fetch. Drop those
    // segments: a connection must not open a file that is being renamed.
    this.#run.drop(number);
    const { planned } = transfer;
    try {
      const outcome = await this.#finalizer.finish(transfer);
      if (outcome === 'finished') {
        this.#tellFinished(transfer);
        this.#settle();
        return;
      }
      if (outcome === 'wrong copy') await this.#startWithoutCopy(number, transfer);
      transfer.settled = false;
      this.#fetch(number, [{ start: 0, end: planned.file.size }]);
    } catch (error) {
      transfer.settled = false;
      this.failed(number, error);
    }
  }

  async #startWithoutCopy(number: number, transfer: FileTransfer): Promise<void> {
    const { planned, file } = transfer;
    const why = `${file.path}: not taken from ${copiedFrom(planned)}: its content is another one`;
    transfer.startOver();
    this.#run.context.emit({ type: 'bytes-lost', path: file.path, count: file.size });
    await this.refuseCopy(number, why);
  }

  /** Gives up a file, or the whole run if the failure would meet every other file too. */
  failed(number: number, thrown: unknown): void {
    const transfer = this.get(number);
    if (transfer.settled || this.#run.signal.aborted) return;
    const error = toFetchError(thrown);
    if (!FILE_FAILURES.has(error.code)) {
      this.#run.stop(error);
      return;
    }
    transfer.settled = true;
    this.#run.drop(number);
    const { path } = transfer.file;
    this.#failures.push({ path, error });
    const { code, message } = error;
    this.#run.context.emit({ type: 'file-failed', path, code, message });
    if (transfer.segments === 0) this.#run.background.add(transfer[Symbol.asyncDispose]());
    this.#settle();
  }

  /** Throws BUG if nothing will ever finish the remaining files: an error instead of an endless wait. */
  mustBeMoving(): void {
    const { schedule, copies, background } = this.#run;
    if (!schedule.empty || !copies.empty || !background.idle || this.#atWork > 0) return;
    const left = this.#files.filter((transfer) => !transfer.settled).map(({ file }) => file.path);
    throw new FetchError('BUG', `nobody works on what is left: ${left.slice(0, 5).join(', ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file[Symbol.asyncDispose]();
  }

  #tellFinished({ planned, repairs, isCopy, copiedBytes }: FileTransfer): void {
    if (copiedBytes > 0) {
      const message = `${planned.file.path}: copied from ${copiedFrom(planned)}, its hash was checked`;
      this.#run.context.emit({ type: 'trace', message });
    }
    this.#emitFinished(planned, repairs > 0 ? 'repaired' : isCopy ? 'kept' : 'transferred');
  }

  #emitFinished({ file: { path, size } }: PlannedFile, how: FileOutcome): void {
    this.#run.context.emit({ type: 'file-finished', path, size, how });
  }

  #settle(): void {
    this.#unsettled -= 1;
    this.#run.wakeup.wake();
  }
}
