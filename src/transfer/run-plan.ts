import pLimit, { type LimitFunction } from 'p-limit';
import { FetchError, toFetchError } from '../model/error.ts';
import type { Emit, FileOutcome } from '../model/event.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { Plan, PlannedFile } from '../model/plan.ts';
import type { Source } from '../source/source.ts';
import { digestMatches, type Store } from '../store/store.ts';
import type { Clock, Random } from '../system/clock.ts';
import { type Attempt, type RetryPolicy, retrying } from '../system/retry.ts';
import { FileTransfer, type Place } from './file-transfer.ts';
import type { Hasher } from './hasher.ts';
import { rangeSize } from './range-size.ts';
import { Schedule, type Span } from './schedule.ts';
import type { Transport } from './transport.ts';

export interface RunContext {
  readonly source: Source;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

export interface FileFailure {
  readonly path: string;
  readonly error: FetchError;
}

export interface RunResult {
  /** Bytes that came over the network and stayed. */
  readonly fetchedBytes: number;
  /** Files that could not be had although the rest could. */
  readonly failures: readonly FileFailure[];
}

/** Statuses by which a host says that this URL is no good, whatever it thinks of the file. */
const REFUSALS = new Set([400, 401, 403, 404, 410, 416]);
/** Failures that concern one file; all others end the run. */
const FILE_FAILURES = new Set(['INTEGRITY', 'NOT_FOUND']);
/** Files that are hashed, made durable and renamed at the same time. */
const FINISHERS = 8;
/** Lanes wait when so many files are not finished: each holds a descriptor. */
const FINISH_BACKLOG = 64;
/** How often an idle lane looks whether something has become worth stealing. */
const IDLE_LOOK_MS = 250;

/** Reason of an abort that only says: another lane has taken over, or the file is settled. */
const TAKEN = new Error('another lane has taken over');

/**
 * Carries out a plan: lanes take spans from one schedule over all files; complete files are verified and
 * get their names behind the lanes' backs. Rejects with the first failure that concerns more than one
 * file, or with the signal's reason; what was fetched stays on disk in every case.
 */
export async function runPlan(plan: Plan, context: RunContext): Promise<RunResult> {
  const run = new PlanRun(plan, context);
  return await run.carryOut();
}

class PlanRun {
  readonly #plan: Plan;
  readonly #context: RunContext;
  readonly #schedule: Schedule;
  readonly #files: FileTransfer[] = [];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #finishing: LimitFunction = pLimit(FINISHERS);
  readonly #checking: LimitFunction = pLimit(2);
  readonly #background = new Set<Promise<void>>();
  readonly #spanStops = new Map<Span, AbortController>();
  readonly #failures: FileFailure[] = [];
  #unsettled = 0;
  #fetchedBytes = 0;
  #wake: () => void = () => {};
  #awake: Promise<void> = Promise.resolve();

  constructor(plan: Plan, context: RunContext) {
    this.#plan = plan;
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
    const { connections } = context;
    this.#schedule = new Schedule({
      rangeSize: (bytes) => rangeSize(bytes, connections),
      lanes: connections,
    });
    this.#rest();
    this.#signal.addEventListener('abort', () => {
      for (const stop of this.#spanStops.values()) stop.abort(this.#signal.reason);
      this.#wake();
    });
  }

  async carryOut(): Promise<RunResult> {
    const lanes = pLimit(this.#context.connections);
    try {
      this.#start();
      const count = this.#context.connections;
      await Promise.all(Array.from({ length: count }, () => lanes(() => this.#lane())));
      await Promise.all(this.#background);
      this.#signal.throwIfAborted();
    } catch (error) {
      this.#stop.abort(error);
      throw this.#signal.reason;
    } finally {
      // Nothing may write any more when the parts are closed.
      await Promise.allSettled(this.#background);
      for (const file of this.#files) await file[Symbol.asyncDispose]();
    }
    return { fetchedBytes: this.#fetchedBytes, failures: this.#failures };
  }

  /** Hands every file of the plan to whoever does its part of the work. The largest come first. */
  #start(): void {
    const bySize = [...this.#plan.files].sort((left, right) => right.file.size - left.file.size);
    for (const planned of bySize) {
      if (planned.action === 'keep') this.#finished(planned, 'kept');
      else if (planned.action === 'check') this.#check(planned);
      else this.#transfer(planned);
    }
  }

  #finished(planned: PlannedFile, how: FileOutcome): void {
    const { path, size } = planned.file;
    this.#context.emit({ type: 'file-finished', path, size, how });
  }

  /** Hashes what stands there; what is not right is transferred after all. */
  #check(planned: PlannedFile): void {
    const { file } = planned;
    this.#unsettled += 1;
    this.#inBackground(
      this.#checking(async () => {
        this.#signal.throwIfAborted();
        const git = file.digest?.algorithm === 'git-sha1';
        const follower = this.#context.hasher.follow(this.#context.store.finalPath(file), file.size, { git });
        try {
          const digests = await follower.digests();
          if (digestMatches(digests, file.digest)) {
            await this.#context.store.adopt(file, digests);
            this.#finished(planned, 'kept');
          } else {
            this.#context.emit({
              type: 'note',
              message: `${file.path} differs from the revision: it is replaced`,
            });
            this.#transfer(planned);
          }
        } finally {
          follower.close();
          this.#settle();
        }
      }),
    );
  }

  #transfer(planned: PlannedFile): void {
    const { file } = planned;
    const number = this.#files.length;
    const transfer = new FileTransfer(
      planned,
      (wanted) => this.#context.store.stage(wanted),
      this.#context.hasher,
    );
    this.#files.push(transfer);
    this.#unsettled += 1;
    const missing = new IntervalSet(planned.held).gaps(file.size);
    if (missing.length > 0) {
      this.#schedule.add(number, file.size, missing);
      this.#wake();
    } else {
      // Empty, or all of it came in an earlier run: only the hash is left.
      this.#inBackground(
        this.#open(transfer).then(() => {
          this.#finish(number, transfer);
        }),
      );
    }
  }

  #open(transfer: FileTransfer): Promise<void> {
    const { path, size } = transfer.file;
    return transfer.open((held) => this.#context.emit({ type: 'file-started', path, size, held }));
  }

  /** One connection's worth of work: spans, one after the other, until every file is settled. */
  async #lane(): Promise<void> {
    while (this.#unsettled > 0) {
      this.#signal.throwIfAborted();
      if (this.#finishing.pendingCount > FINISH_BACKLOG) {
        await this.#idle();
        continue;
      }
      const assignment = this.#schedule.take(this.#context.clock.monotonic());
      if (assignment === undefined) {
        await this.#idle();
        continue;
      }
      const { span, stolenFrom } = assignment;
      // Nothing was left to the other lane: it need not wait for its server any longer.
      if (stolenFrom !== undefined && stolenFrom.position >= stolenFrom.end)
        this.#spanStops.get(stolenFrom)?.abort(TAKEN);
      await this.#work(span);
    }
  }

  async #work(span: Span): Promise<void> {
    const transfer = this.#files[span.file]!;
    const stop = new AbortController();
    this.#spanStops.set(span, stop);
    try {
      await this.#open(transfer);
      await this.#bring(span, transfer, stop.signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!stop.signal.aborted) this.#failed(span.file, transfer, toFetchError(error));
    } finally {
      this.#spanStops.delete(span);
      this.#schedule.release(span);
      this.#wake();
    }
    if (!transfer.settled && transfer.complete) this.#finish(span.file, transfer);
  }

  /** Fills a span, with as many requests as it takes. This is where ranges are tried again. */
  async #bring(span: Span, transfer: FileTransfer, signal: AbortSignal): Promise<void> {
    const { clock, random, retry, emit } = this.#context;
    const { path } = transfer.file;
    await retrying(
      async (attempt) => {
        while (span.position < span.end) await this.#request(span, transfer, attempt, signal);
      },
      {
        policy: retry,
        clock,
        random,
        signal,
        onRetry: (error, number, delayMs) => {
          const { code, message } = error;
          emit({ type: 'retrying', what: path, attempt: number, delayMs, code, message });
        },
      },
    );
  }

  async #request(span: Span, transfer: FileTransfer, attempt: Attempt, signal: AbortSignal): Promise<void> {
    const place = await this.#place(transfer);
    signal.throwIfAborted();
    const { file } = transfer;
    // Until here it was not the server of the bytes that was silent: nobody may steal from this request yet.
    this.#schedule.progress(span, 0, this.#context.clock.monotonic());
    try {
      await this.#context.transport.bring(
        {
          location: place.location,
          path: file.path,
          fileSize: file.size,
          window: span,
          descriptor: transfer.staged.descriptor,
        },
        {
          wrote: (range) => {
            place.worked = true;
            attempt.progressed();
            this.#schedule.progress(span, range.end - range.start, this.#context.clock.monotonic());
            const added = transfer.wrote(range);
            this.#fetchedBytes += added;
            if (added > 0) this.#context.emit({ type: 'bytes', path: file.path, count: added });
          },
          wholeFile: () => this.#takeWhole(span, transfer),
          movedTo: (url) => place.moveTo(url),
        },
        signal,
      );
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toFetchError(thrown);
      if (error.status === undefined || !REFUSALS.has(error.status)) throw error;
      transfer.forgetPlace(place);
      // An address that has served and is refused now has expired: a new one is no retry.
      if (!place.worked) throw error;
      this.#context.emit({ type: 'trace', message: `${error.message}: asking for a new address` });
    }
  }

  #place(transfer: FileTransfer): Promise<Place> {
    const { source, clock } = this.#context;
    const locate = () => source.locate(this.#plan.revision, transfer.file, this.#signal);
    return transfer.place(locate, () => clock.now());
  }

  /** The server sends everything to this lane: it takes the whole file, the others let go of it. */
  #takeWhole(span: Span, transfer: FileTransfer): void {
    const range = { start: transfer.firstMissing, end: transfer.file.size };
    for (const other of this.#schedule.absorb(span, range)) this.#spanStops.get(other)?.abort(TAKEN);
  }

  #finish(number: number, transfer: FileTransfer): void {
    transfer.settled = true;
    this.#inBackground(this.#finishing(() => this.#verifyAndCommit(number, transfer)));
  }

  async #verifyAndCommit(number: number, transfer: FileTransfer): Promise<void> {
    this.#signal.throwIfAborted();
    const { emit } = this.#context;
    const { path, size } = transfer.file;
    emit({ type: 'file-verifying', path });
    const digests = await transfer.verify(() => {
      emit({ type: 'note', message: `the hash of ${path} is wrong: reading it once more` });
    });
    if (digests !== undefined) {
      await transfer.staged.commit(digests);
      await transfer[Symbol.asyncDispose]();
      this.#finished(transfer.planned, transfer.repaired ? 'repaired' : 'transferred');
      this.#settle();
      return;
    }
    const error = corrupt(path);
    if (transfer.startRepair()) {
      this.#fetchedBytes = Math.max(0, this.#fetchedBytes - size);
      emit({ type: 'bytes-lost', path, count: size });
      emit({
        type: 'retrying',
        what: path,
        attempt: 2,
        delayMs: 0,
        code: error.code,
        message: error.message,
      });
      transfer.settled = false;
      this.#schedule.add(number, size, [{ start: 0, end: size }]);
      this.#wake();
      return;
    }
    transfer.settled = false;
    await transfer.staged.discard();
    this.#failed(number, transfer, error);
  }

  /** Gives up a file, or the whole run if the failure would meet every other file too. */
  #failed(number: number, transfer: FileTransfer, error: FetchError): void {
    if (transfer.settled) return;
    if (!FILE_FAILURES.has(error.code)) {
      this.#stop.abort(error);
      return;
    }
    transfer.settled = true;
    for (const span of this.#schedule.drop(number)) this.#spanStops.get(span)?.abort(TAKEN);
    const { path } = transfer.file;
    this.#failures.push({ path, error });
    this.#context.emit({ type: 'file-failed', path, code: error.code, message: error.message });
    this.#inBackground(transfer[Symbol.asyncDispose]());
    this.#settle();
  }

  #settle(): void {
    this.#unsettled -= 1;
    this.#wake();
  }

  /** Work that no lane waits for. Its failure ends the run. */
  #inBackground(work: Promise<void>): void {
    const guarded = work
      .catch((error) => this.#stop.abort(error))
      .finally(() => {
        this.#background.delete(guarded);
        this.#wake();
      });
    this.#background.add(guarded);
  }

  /** Waits until something has changed, or for a moment: a slow span becomes worth stealing with time. */
  async #idle(): Promise<void> {
    let cancel = () => {};
    const moment = new Promise<void>((resolve) => {
      cancel = this.#context.clock.after(IDLE_LOOK_MS, resolve);
    });
    await Promise.race([this.#awake, moment]);
    cancel();
    this.#signal.throwIfAborted();
  }

  #rest(): void {
    this.#awake = new Promise((resolve) => {
      this.#wake = () => {
        resolve();
        this.#rest();
      };
    });
  }
}

function corrupt(path: string): FetchError {
  return new FetchError('INTEGRITY', `${path} does not have the hash that the hub lists`, {
    hint: 'The server or a proxy on the way damages the file. Try again later or over another network or endpoint.',
  });
}
