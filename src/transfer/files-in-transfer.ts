import pLimit from 'p-limit';
import { totalLength } from '../model/byte-range.ts';
import { FetchError, toFetchError } from '../model/error.ts';
import type { FileOutcome } from '../model/event.ts';
import { copiedFrom, type PlannedFile, piecesFrom } from '../model/plan.ts';
import type { Revision } from '../model/repo.ts';
import { FileFinalizer } from './file-finalizer.ts';
import { FileTransfer, type Way } from './file-transfer.ts';
import type { RunState } from './run-state.ts';
import { proves } from './scheduling/peer-proof.ts';
import type { RelayFile } from './scheduling/relay-question.ts';
import type { MissingRange, Segment } from './scheduling/segment.ts';
import type { FileFailure } from './transfer-context.ts';

/** Failures that concern one file; all others end the run. */
const FILE_FAILURES = new Set(['INTEGRITY', 'NOT_FOUND']);
/** Bytes of a part of a file that comes as chunks. A chunk at the edge of two parts that are under way comes twice. */
const MIN_CHUNKED_BYTES = 16 * 1024 * 1024;
/** Files that only lack their hash: at most this many are open at once. */
const MAX_OPENING = 8;

/** The files of a run, from the plan to their final name or their failure. Each file has a number. */
export class FilesInTransfer implements AsyncDisposable {
  readonly #run: RunState;
  readonly #finalizer: FileFinalizer;
  readonly #files: FileTransfer[] = [];
  readonly #failures: FileFailure[] = [];
  readonly #opening = pLimit(MAX_OPENING);
  #unsettled = 0;
  #hasBegun = false;
  /** Segments being worked on, including stopped ones that are finishing a write. */
  #atWork = 0;

  constructor(run: RunState) {
    this.#run = run;
    this.#finalizer = new FileFinalizer(run);
  }

  /** Files that are neither finished nor given up. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** So many files wait for verification that no more should be fetched. */
  get congested(): boolean {
    return this.#finalizer.congested;
  }

  get failures(): readonly FileFailure[] {
    return this.#failures;
  }

  get fetchedBytes(): number {
    return this.#files.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0);
  }

  get peerBytes(): number {
    return this.#files.reduce((sum, { shares }) => sum + shares.bytes, 0);
  }

  get copiedBytes(): number {
    return this.#files.reduce((sum, { copiedBytes }) => sum + copiedBytes, 0);
  }

  /** Asks the peers for the first file of which something is missing. Call it when all files are added. */
  askPeers(revision: Revision): void {
    const number = this.#files.findIndex(
      ({ planned, mayComeFromPeers }) => mayComeFromPeers && piecesFrom(planned, 'remote').length > 0,
    );
    if (number < 0) return;
    const numbers = new Map(this.#files.map(({ file }, index) => [file.path, index]));
    const get = (index: number): RelayFile => {
      const { file, mayComeFromPeers } = this.get(index);
      return { path: file.path, size: file.size, mayComeFromPeers };
    };
    this.#run.peers?.begin(revision, { number, file: this.get(number).file }, { numbers, get });
  }

  /** Begins with the file that tells most cheaply whether peers are honest. Call it when they have answered. */
  beginWithProof(): void {
    const { peers, schedule } = this.#run;
    if (this.#hasBegun || peers === undefined) return;
    this.#hasBegun = true;
    // Where runs share the work, they agree on what each begins with.
    if (peers.active) return;
    const files = this.#files.flatMap(({ planned, mayComeFromPeers }, number) => {
      const bytes = totalLength(piecesFrom(planned, 'remote'));
      return mayComeFromPeers && proves(planned.file.size) && bytes > 0 ? [{ number, bytes }] : [];
    });
    if (files.length < 2) return;
    const least = files.reduce((found, file) => (file.bytes < found.bytes ? file : found));
    if (peers.mayHave(least.number)) schedule.prefer(least.number);
  }

  get(number: number): FileTransfer {
    return this.#files[number]!;
  }

  /** Starts the work on a file of the plan. */
  add(planned: PlannedFile): void {
    if (planned.action === 'keep') this.#emitFinished(planned, 'kept');
    else if (planned.action === 'check') this.#run.background.add(this.#check(planned));
    else this.#transfer(planned);
  }

  /** Hashes the existing file; one that is not right is transferred after all. */
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
    const transfer = new FileTransfer(planned, {
      stage: (wanted) => store.stage(wanted),
      hasher,
      ways: this.#waysOf(planned),
    });
    this.#files.push(transfer);
    this.#unsettled += 1;
    this.#run.copies.add(number, planned.pieces);
    const remote = piecesFrom(planned, 'remote').map(({ start, end, from: { splittable } }) => {
      return { start, end, splittable };
    });
    if (remote.length > 0) this.#fetch(number, remote);
    if (remote.length > 0 || copiedFrom(planned) !== undefined) return;
    // Empty, or all of it arrived in an earlier run: only the hash is missing.
    const { background, signal } = this.#run;
    background.add(
      this.#opening(async () => {
        signal.throwIfAborted();
        await this.open(number);
        if (transfer.complete) await this.#finish(number, transfer);
      }),
    );
  }

  /** Only what the hub keeps in Xet can come as chunks. */
  #waysOf(planned: PlannedFile): readonly [Way, ...Way[]] {
    const { source, settings } = this.#run.context;
    const { protocol } = settings;
    const { file } = planned;
    if (protocol === 'http' || file.pointer?.xetHash === undefined) return ['http'];
    if (source.reconstruct === undefined || file.size === 0) return ['http'];
    // What an update lacks are chunks that the store has packed.
    const isUpdate = copiedFrom(planned) !== undefined && piecesFrom(planned, 'remote').length > 0;
    return protocol === 'xet' || isUpdate ? ['xet', 'http'] : ['http', 'xet'];
  }

  #fetch(number: number, ranges: readonly MissingRange[]): void {
    const { file, way } = this.get(number);
    const parts =
      way === 'xet' ? ranges.map((range) => ({ ...range, minPartBytes: MIN_CHUNKED_BYTES })) : ranges;
    this.#run.schedule.add(number, file.size, parts);
    this.#run.wakeup.wake();
  }

  /** Opens the part of a file, once. What the plan expected and the part lacks is fetched. */
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
   * Does `work` on a segment that was taken from a queue. When the last segment of a complete file ends, the file is
   * verified and renamed in the background.
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
    // A stopped connection may still be writing: only when the last one ends does the file stay as it is.
    if (transfer.segments > 0) return;
    if (transfer.settled) await transfer[Symbol.asyncDispose]();
    else if (transfer.complete) this.#run.background.add(this.#finish(segment.file, transfer));
  }

  /** The server sends everything to this connection: it takes the whole file, and all others release it. */
  takeWhole(segment: Segment): void {
    const { schedule, copies } = this.#run;
    const transfer = this.get(segment.file);
    const all = { start: transfer.firstMissing, end: transfer.file.size };
    const { stopped } = copies.drop(segment.file);
    for (const other of [...schedule.takeWholeFile(segment, all), ...stopped]) this.#run.stopSegment(other);
  }

  /** Fetches what should have been copied from this machine. `why` is shown to people. */
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
    // A late write of a stopped connection may have filled a range that another one was to fetch. Drop those
    // segments: no connection may open a file that is being renamed.
    this.#run.drop(number);
    const { planned } = transfer;
    try {
      const outcome = await this.#finalizer.finish(transfer);
      if (outcome === 'finished') {
        this.#run.peers?.settled(number);
        this.#tellFinished(transfer);
        this.#settle();
        return;
      }
      const isCopy = outcome === 'wrong copy';
      if (isCopy) await this.#startWithoutCopy(number, transfer);
      transfer.settled = false;
      this.#fetch(number, isCopy ? [{ start: 0, end: planned.file.size }] : outcome);
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

  /** Gives up a file, or the whole run if every other file would fail in the same way. */
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
    this.#run.peers?.settled(number);
    const { path } = transfer.file;
    this.#failures.push({ path, error });
    const { code, message } = error;
    this.#run.context.emit({ type: 'file-failed', path, code, message });
    if (transfer.segments === 0) this.#run.background.add(transfer[Symbol.asyncDispose]());
    this.#settle();
  }

  /** Throws BUG if nothing works on the remaining files: an error instead of an endless wait. */
  mustBeMoving(): void {
    const { schedule, copies, background } = this.#run;
    if (!schedule.empty || !copies.empty || !background.idle || this.#atWork > 0) return;
    const left = this.#files.filter((transfer) => !transfer.settled).map(({ file }) => file.path);
    throw new FetchError('BUG', `nothing works on the remaining files: ${left.slice(0, 5).join(', ')}`);
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
