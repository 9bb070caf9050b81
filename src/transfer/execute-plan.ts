import pLimit from 'p-limit';
import { type FetchError, toFetchError } from '../model/error.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { Plan, PlannedFile } from '../model/plan.ts';
import { Notifier } from '../system/notifier.ts';
import { TaskGroup } from '../system/task-group.ts';
import { canRequeue } from './can-requeue.ts';
import { FileFinalizer } from './file-finalizer.ts';
import { FileTransfer, nobodyWorks } from './file-transfer.ts';
import { connectionLines } from './scheduling/connection-lines.ts';
import { DescriptorGuard, isDescriptorShortage } from './scheduling/descriptors.ts';
import { LinkEstimate } from './scheduling/link-estimate.ts';
import { LocationPrefetcher } from './scheduling/location-prefetcher.ts';
import { Schedule } from './scheduling/schedule.ts';
import type { Segment } from './scheduling/segment.ts';
import { SegmentDownloader } from './segment-downloader.ts';
import { SegmentSignals } from './segment-signals.ts';
import { Steering } from './steering.ts';
import type { TransferContext } from './transfer-context.ts';
import type { FileFailure, RunResult } from './transfer-result.ts';

/** Failures that concern one file; all others end the run. */
const FILE_FAILURES = new Set(['INTEGRITY', 'NOT_FOUND']);
/** How often an idle connection looks: a slow segment becomes worth stealing with time. */
const IDLE_LOOK_MS = 250;
/**
 * Carries out a plan: connections take segments from one schedule over all files; complete files are verified and
 * get their names behind the connections' backs. Rejects with the first failure that concerns more than one
 * file, or with the signal's reason; what was fetched stays on disk in every case.
 */
export async function runPlan(plan: Plan, context: TransferContext): Promise<RunResult> {
  return await new PlanRun(plan, context).executePlan();
}

class PlanRun {
  readonly #plan: Plan;
  readonly #context: TransferContext;
  readonly #schedule: Schedule;
  readonly #steering: Steering;
  readonly #fetcher: SegmentDownloader;
  readonly #finisher: FileFinalizer;
  readonly #prefetcher: LocationPrefetcher;
  readonly #files: FileTransfer[] = [];
  readonly #wakeup: Notifier;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** A failure of it ends the run. */
  readonly #background: TaskGroup;
  readonly #signals = new SegmentSignals();
  readonly #room: DescriptorGuard;
  readonly #failures: FileFailure[] = [];
  /** Of files that lack nothing but their hash, only so many are open. */
  readonly #opening = pLimit(8);
  /** Files that are neither right nor given up. */
  #unsettled = 0;
  #fetchedBytes = 0;
  /** Connections inside `#work`, also those that were stopped and are still ending a write. */
  #atWork = 0;
  /** All that was written, also what was there before: what the connections bring. */
  #writtenBytes = 0;
  #wroteAt = 0;

  constructor(plan: Plan, context: TransferContext) {
    const { connections, hubWaitMs } = context;
    this.#wakeup = new Notifier(context.clock);
    this.#plan = plan;
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
    this.#schedule = new Schedule({ connections, sizing: new LinkEstimate(hubWaitMs) });
    this.#room = new DescriptorGuard(connections);
    const hostOf = (file: number) => this.#files[file]?.host;
    this.#steering = new Steering(context, this.#schedule, this.#signals, this.#wakeup, hostOf);
    this.#fetcher = new SegmentDownloader(plan.revision, context);
    this.#finisher = new FileFinalizer(context, this.#signal);
    this.#prefetcher = new LocationPrefetcher(this.#schedule, connections, (file) => {
      return this.#fetcher.locate(this.#files[file]!, this.#signal);
    });
    this.#background = new TaskGroup(
      (error) => this.#stop.abort(error),
      () => this.#wakeup.wake(),
    );
    this.#signal.addEventListener('abort', () => {
      this.#signals.stopAll(this.#signal.reason);
      this.#wakeup.wake();
    });
  }

  async executePlan(): Promise<RunResult> {
    const { connections, onStatus } = this.#context;
    onStatus?.(() => this.#inspect());
    const limit = pLimit(connections);
    const endSteering = this.#steering.start();
    try {
      this.#start();
      await Promise.all(Array.from({ length: connections }, () => limit(() => this.#guardedConnection())));
      await this.#background.settled();
      this.#signal.throwIfAborted();
    } finally {
      endSteering();
      await this.#background.settled();
      for (const file of this.#files) await file[Symbol.asyncDispose]();
    }
    return { fetchedBytes: this.#fetchedBytes, failures: this.#failures };
  }

  /** Hands every file of the plan to whoever does its part of the work. The largest come first. */
  #start(): void {
    const bySize = [...this.#plan.files].sort((left, right) => right.file.size - left.file.size);
    for (const planned of bySize) {
      if (planned.action === 'keep') this.#emitFinished(planned, 'kept');
      else if (planned.action === 'check') this.#background.add(this.#check(planned));
      else this.#transfer(planned);
    }
  }

  /** Reads what stands there; what is not right is transferred after all. */
  async #check(planned: PlannedFile): Promise<void> {
    this.#unsettled += 1;
    if (await this.#finisher.check(planned)) {
      this.#emitFinished(planned, 'kept');
    } else {
      const { path } = planned.file;
      this.#context.emit({ type: 'note', message: `${path} differs from the revision: it is replaced` });
      this.#transfer(planned);
    }
    this.#settle();
  }

  #transfer(planned: PlannedFile): void {
    const { file, held } = planned;
    const { store, hasher } = this.#context;
    const number = this.#files.length;
    const transfer = new FileTransfer(planned, (wanted) => store.stage(wanted), hasher);
    this.#files.push(transfer);
    this.#unsettled += 1;
    const missing = new IntervalSet(held).gaps(file.size);
    if (missing.length > 0) {
      this.#schedule.add(number, file.size, missing);
      this.#wakeup.wake();
    } else {
      // Empty, or all of it came in an earlier run: only the hash is left.
      this.#background.add(
        this.#opening(async () => {
          this.#signal.throwIfAborted();
          await this.#open(number, transfer);
          if (transfer.complete) await this.#finish(number, transfer);
        }),
      );
    }
  }

  async #open(number: number, transfer: FileTransfer): Promise<void> {
    const { path, size } = transfer.file;
    await transfer.open((held, lost) => {
      this.#context.emit({ type: 'file-started', path, size, held });
      this.#schedule.add(number, size, lost);
      this.#wakeup.wake();
    });
  }

  /** Never rejects: when the connections have ended, nothing writes any more, and the parts can be closed. */
  async #guardedConnection(): Promise<void> {
    await this.#connection().catch((error) => this.#stop.abort(error));
  }

  /** One connection's worth of work: segments, one after the other, until every file is settled. */
  async #connection(): Promise<void> {
    while (this.#unsettled > 0) {
      this.#signal.throwIfAborted();
      const now = this.#context.clock.monotonic();
      const full = this.#finisher.congested || this.#room.full(now);
      const assignment = full ? undefined : this.#schedule.take(now, this.#steering.limit);
      if (assignment === undefined) {
        const idle = this.#schedule.empty && this.#background.idle && this.#atWork === 0;
        if (idle) throw nobodyWorks(this.#files);
        await this.#wakeup.sleep(IDLE_LOOK_MS);
        continue;
      }
      const { segment, stolenFrom } = assignment;
      // If nothing was left to the other connection, it need not wait for its server any longer.
      if (stolenFrom !== undefined) {
        if (stolenFrom.position >= stolenFrom.end) this.#signals.stop(stolenFrom);
        else this.#context.transport.narrowed?.(stolenFrom);
      }
      await this.#work(segment);
    }
  }

  async #work(segment: Segment): Promise<void> {
    const transfer = this.#files[segment.file]!;
    const stop = this.#signals.begin(segment);
    transfer.segments += 1;
    this.#atWork += 1;
    this.#room.enter();
    const written = this.#writtenBytes;
    let own = 0;
    try {
      await this.#open(segment.file, transfer);
      const observer = {
        asked: () => {
          this.#schedule.ask(segment, this.#context.clock.monotonic());
          this.#prefetcher.asked(segment.file);
        },
        wrote: (bytes: number, added: number) => {
          own += bytes;
          this.#wrote(segment, bytes, added);
        },
        // Two may find it out at the same time: the first has it.
        wholeFile: () => {
          if (!stop.aborted) this.#takeWhole(segment, transfer);
        },
        trouble: (kind: 'refused' | 'broke') => this.#steering.trouble(kind),
      };
      await this.#fetcher.fetch(segment, transfer, observer, stop, this.#signal);
      this.#room.worked();
    } catch (error) {
      this.#signal.throwIfAborted();
      const failure = toFetchError(error);
      const now = this.#context.clock.monotonic();
      const others = this.#writtenBytes - written > own && canRequeue(failure, transfer, now - this.#wroteAt);
      const short = isDescriptorShortage(failure) && this.#room.short(now);
      if (!stop.aborted && !others && !short) this.#failed(segment.file, transfer, failure);
    } finally {
      this.#room.leave();
      transfer.segments -= 1;
      this.#atWork -= 1;
      this.#signals.end(segment);
      this.#schedule.release(segment);
      this.#wakeup.wake();
    }
    // A connection that was told to stop may still be writing: only the last one leaves a file that stays as it is.
    if (transfer.segments > 0) return;
    if (transfer.settled) await transfer[Symbol.asyncDispose]();
    else if (transfer.complete) this.#background.add(this.#finish(segment.file, transfer));
  }

  #wrote(segment: Segment, written: number, added: number): void {
    const now = this.#context.clock.monotonic();
    this.#schedule.progress(segment, written, now);
    this.#writtenBytes += written;
    this.#fetchedBytes += added;
    this.#wroteAt = now;
    this.#steering.wrote(now, this.#writtenBytes);
  }

  /** The server sends everything to this connection: it takes the whole file, the others let go of it. */
  #takeWhole(segment: Segment, transfer: FileTransfer): void {
    const all = { start: transfer.firstMissing, end: transfer.file.size };
    for (const other of this.#schedule.takeWholeFile(segment, all)) this.#signals.stop(other);
  }

  async #finish(number: number, transfer: FileTransfer): Promise<void> {
    transfer.settled = true;
    // A stopped connection may report a late write of bytes that another one was still to fetch. Drop those segments: a connection must not open a file that is being renamed.
    this.#schedule.drop(number);
    const { planned, file } = transfer;
    try {
      if ((await this.#finisher.finish(transfer)) === 'finished') {
        this.#emitFinished(planned, transfer.repairs > 0 ? 'repaired' : 'transferred');
        this.#settle();
        return;
      }
      transfer.settled = false;
      this.#fetchedBytes = Math.max(0, this.#fetchedBytes - file.size);
      this.#schedule.add(number, file.size, [{ start: 0, end: file.size }]);
      this.#wakeup.wake();
    } catch (error) {
      transfer.settled = false;
      this.#failed(number, transfer, toFetchError(error));
    }
  }

  #inspect(): string[] {
    const connections = this.#schedule.describe(this.#context.clock.monotonic());
    const summary = `${connections.length} connections at work, at most ${this.#steering.limit} for large files, ${this.#unsettled} files to go`;
    return [summary, ...connectionLines(connections, (file) => this.#files[file]?.file.path ?? '')];
  }

  /** Gives up a file, or the whole run if the failure would meet every other file too. */
  #failed(number: number, transfer: FileTransfer, error: FetchError): void {
    if (transfer.settled) return;
    if (!FILE_FAILURES.has(error.code)) {
      this.#stop.abort(error);
      return;
    }
    transfer.settled = true;
    for (const segment of this.#schedule.drop(number)) this.#signals.stop(segment);
    const { path } = transfer.file;
    this.#failures.push({ path, error });
    this.#context.emit({ type: 'file-failed', path, code: error.code, message: error.message });
    if (transfer.segments === 0) this.#background.add(transfer[Symbol.asyncDispose]());
    this.#settle();
  }

  #emitFinished({ file }: PlannedFile, how: 'kept' | 'transferred' | 'repaired'): void {
    this.#context.emit({ type: 'file-finished', path: file.path, size: file.size, how });
  }

  #settle(): void {
    this.#unsettled -= 1;
    this.#wakeup.wake();
  }
}
