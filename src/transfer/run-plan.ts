import pLimit from 'p-limit';
import { type FetchError, toFetchError } from '../model/error.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { Plan, PlannedFile } from '../model/plan.ts';
import { Background } from './background.ts';
import { isDescriptorShortage, LaneRoom } from './descriptors.ts';
import { FileTransfer } from './file-transfer.ts';
import { Finisher } from './finisher.ts';
import { laneLines } from './lane-lines.ts';
import { LookAhead } from './look-ahead.ts';
import { mayLeave } from './may-leave.ts';
import { rangeSize, SMALLEST_RANGE } from './range-size.ts';
import type { RunContext } from './run-context.ts';
import type { FileFailure, RunResult } from './run-result.ts';
import { Schedule } from './schedule.ts';
import { SpanFetcher } from './span-fetcher.ts';
import { SpanSignals } from './span-signals.ts';
import { Steering } from './steering.ts';
import { Wakeup } from './wakeup.ts';
import type { Span } from './work.ts';

/** Failures that concern one file; all others end the run. */
const FILE_FAILURES = new Set(['INTEGRITY', 'NOT_FOUND']);
/** How often an idle lane looks: a slow span becomes worth stealing with time. */
const IDLE_LOOK_MS = 250;
/**
 * Carries out a plan: lanes take spans from one schedule over all files; complete files are verified and
 * get their names behind the lanes' backs. Rejects with the first failure that concerns more than one
 * file, or with the signal's reason; what was fetched stays on disk in every case.
 */
export async function runPlan(plan: Plan, context: RunContext): Promise<RunResult> {
  return await new PlanRun(plan, context).carryOut();
}

class PlanRun {
  readonly #plan: Plan;
  readonly #context: RunContext;
  readonly #schedule: Schedule;
  readonly #steering: Steering;
  readonly #fetcher: SpanFetcher;
  readonly #finisher: Finisher;
  readonly #lookAhead: LookAhead;
  readonly #files: FileTransfer[] = [];
  readonly #wakeup: Wakeup;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** A failure of it ends the run. */
  readonly #background: Background;
  readonly #signals = new SpanSignals();
  readonly #room: LaneRoom;
  readonly #failures: FileFailure[] = [];
  /** Of files that lack nothing but their hash, only so many are open. */
  readonly #opening = pLimit(8);
  /** Files that are neither right nor given up. */
  #unsettled = 0;
  #fetchedBytes = 0;
  /** All that was written, also what was there before: what the connections bring. */
  #writtenBytes = 0;
  #wroteAt = 0;

  constructor(plan: Plan, context: RunContext) {
    const { connections } = context;
    this.#wakeup = new Wakeup(context.clock);
    this.#plan = plan;
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
    const cut = (bytes: number) => rangeSize(bytes, connections);
    this.#schedule = new Schedule({ rangeSize: cut, smallestRange: SMALLEST_RANGE, lanes: connections });
    this.#room = new LaneRoom(connections);
    const hostOf = (file: number) => this.#files[file]?.host;
    this.#steering = new Steering(context, this.#schedule, this.#signals, this.#wakeup, hostOf);
    this.#fetcher = new SpanFetcher(plan.revision, context);
    this.#finisher = new Finisher(context, this.#signal);
    this.#lookAhead = new LookAhead(this.#schedule, connections, (file) => {
      return this.#fetcher.locate(this.#files[file]!, this.#signal);
    });
    this.#background = new Background(
      (error) => this.#stop.abort(error),
      () => this.#wakeup.wake(),
    );
    this.#signal.addEventListener('abort', () => {
      this.#signals.stopAll(this.#signal.reason);
      this.#wakeup.wake();
    });
  }

  async carryOut(): Promise<RunResult> {
    this.#context.onInspectable?.(() => this.#inspect());
    const { connections } = this.#context;
    const lanes = pLimit(connections);
    const endSteering = this.#steering.start();
    try {
      this.#start();
      await Promise.all(Array.from({ length: connections }, () => lanes(() => this.#guardedLane())));
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

  /** Never rejects: when the lanes have ended, nothing writes any more, and the parts can be closed. */
  async #guardedLane(): Promise<void> {
    try {
      await this.#lane();
    } catch (error) {
      this.#stop.abort(error);
    }
  }

  /** One connection's worth of work: spans, one after the other, until every file is settled. */
  async #lane(): Promise<void> {
    while (this.#unsettled > 0) {
      this.#signal.throwIfAborted();
      const now = this.#context.clock.monotonic();
      const full = this.#finisher.congested || this.#room.full(now);
      const assignment = full ? undefined : this.#schedule.take(now, this.#steering.limit);
      if (assignment === undefined) {
        await this.#wakeup.sleep(IDLE_LOOK_MS);
        continue;
      }
      const { span, stolenFrom } = assignment;
      // If nothing was left to the other lane, it need not wait for its server any longer.
      if (stolenFrom !== undefined) {
        if (stolenFrom.position >= stolenFrom.end) this.#signals.stop(stolenFrom);
        else this.#context.transport.narrowed?.(stolenFrom);
      }
      await this.#work(span);
    }
  }

  async #work(span: Span): Promise<void> {
    const transfer = this.#files[span.file]!;
    const stop = this.#signals.begin(span);
    transfer.spans += 1;
    this.#room.enter();
    const written = this.#writtenBytes;
    let own = 0;
    try {
      await this.#open(span.file, transfer);
      const observer = {
        asked: () => {
          this.#schedule.ask(span, this.#context.clock.monotonic());
          this.#lookAhead.asked(span.file);
        },
        wrote: (bytes: number, added: number) => {
          own += bytes;
          this.#wrote(span, bytes, added);
        },
        // Two may find it out at the same time: the first has it.
        wholeFile: () => {
          if (!stop.aborted) this.#takeWhole(span, transfer);
        },
        trouble: (kind: 'refused' | 'broke') => this.#steering.trouble(kind),
      };
      await this.#fetcher.fetch(span, transfer, observer, stop, this.#signal);
      this.#room.worked();
    } catch (error) {
      this.#signal.throwIfAborted();
      const failure = toFetchError(error);
      const now = this.#context.clock.monotonic();
      const others = this.#writtenBytes - written > own && mayLeave(failure, transfer, now - this.#wroteAt);
      const short = isDescriptorShortage(failure) && this.#room.short(now);
      if (!stop.aborted && !others && !short) this.#failed(span.file, transfer, failure);
    } finally {
      this.#room.leave();
      transfer.spans -= 1;
      this.#signals.end(span);
      this.#schedule.release(span);
      this.#wakeup.wake();
    }
    // A lane that was told to stop may still be writing: only the last one leaves a file that stays as it is.
    if (transfer.spans > 0) return;
    if (transfer.settled) await transfer[Symbol.asyncDispose]();
    else if (transfer.complete) this.#background.add(this.#finish(span.file, transfer));
  }

  #wrote(span: Span, written: number, added: number): void {
    const now = this.#context.clock.monotonic();
    this.#schedule.progress(span, written, now);
    this.#writtenBytes += written;
    this.#fetchedBytes += added;
    this.#wroteAt = now;
    this.#steering.wrote(now, this.#writtenBytes);
  }

  /** The server sends everything to this lane: it takes the whole file, the others let go of it. */
  #takeWhole(span: Span, transfer: FileTransfer): void {
    const range = { start: transfer.firstMissing, end: transfer.file.size };
    for (const other of this.#schedule.absorb(span, range)) this.#signals.stop(other);
  }

  async #finish(number: number, transfer: FileTransfer): Promise<void> {
    transfer.settled = true;
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
    const lanes = this.#schedule.describe(this.#context.clock.monotonic());
    const summary = `${lanes.length} connections at work, at most ${this.#steering.limit} for large files, ${this.#unsettled} files to go`;
    return [summary, ...laneLines(lanes, (file) => this.#files[file]?.file.path ?? '')];
  }

  /** Gives up a file, or the whole run if the failure would meet every other file too. */
  #failed(number: number, transfer: FileTransfer, error: FetchError): void {
    if (transfer.settled) return;
    if (!FILE_FAILURES.has(error.code)) {
      this.#stop.abort(error);
      return;
    }
    transfer.settled = true;
    for (const span of this.#schedule.drop(number)) this.#signals.stop(span);
    const { path } = transfer.file;
    this.#failures.push({ path, error });
    this.#context.emit({ type: 'file-failed', path, code: error.code, message: error.message });
    if (transfer.spans === 0) this.#background.add(transfer[Symbol.asyncDispose]());
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
