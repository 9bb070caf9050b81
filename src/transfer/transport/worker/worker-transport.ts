import type { EventLoopUtilization } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import type { ContactedHost } from '../../../http/host-policy.ts';
import { FetchError } from '../../../model/error.ts';
import type { RangeJob, RangeObserver, RangeWindow, Transport } from '../transport.ts';
import { unpackChunks } from './packed-chunks.ts';
import { unpackReports, type Written } from './packed-reports.ts';
import {
  fromPlainError,
  type TransportCommand,
  type TransportReply,
  type TransportSetup,
} from './transport-messages.ts';
import { WorkerAssignment } from './worker-assignment.ts';

/** A thread that is busy for more than this fraction of its time is full. */
const FULL = 0.9;
const LOOK_MS = 300;
/** Threads that unpack chunks are looked at more often: a file may take less than a second. */
const CHUNK_LOOK_MS = 100;
/** After this time without a full thread there is time for more: on a busy machine it comes and goes. */
const SATURATED_MS = 1000;

interface Pending {
  readonly thread: IoWorker;
  readonly job: RangeJob;
  readonly observer: RangeObserver;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** What the observer threw; it must not be called again. */
  failure?: unknown;
}

interface IoWorker {
  readonly number: number;
  readonly worker: Worker;
  jobs: number;
  /** Of the last look, and what it showed. */
  lookedAt: number;
  use: EventLoopUtilization;
  isFull: boolean;
  /** When it last was. */
  fullAt: number;
}

export interface WorkerTransportOptions extends TransportSetup {
  /** Workers that this machine has room for. Another one starts when those that run are full. */
  readonly maxWorkers: number;
  /** The same where they unpack chunks; as `maxWorkers` if left out. */
  readonly maxChunkWorkers?: number;
  /** Starts all of them as soon as there is something to do for them, full or not; false if left out. */
  readonly startsAll?: boolean;
  readonly trace: (message: string) => void;
  /** Called with each host that a thread contacts; once for each thread. */
  readonly onContact?: (contact: ContactedHost) => void;
}

/**
 * The transport as the main thread sees it. Sockets and writes live in worker threads; only reports of written ranges
 * come back, in batches.
 */
export class WorkerTransport implements Transport, AsyncDisposable {
  readonly #options: WorkerTransportOptions;
  readonly #workers: IoWorker[] = [];
  readonly #assignment: WorkerAssignment;
  readonly #pending = new Map<number, Pending>();
  readonly #byWindow = new Map<RangeWindow, number>();
  /** Jobs whose bytes come as chunks. */
  #chunkJobs = 0;
  #nextId = 1;
  #broken: FetchError | undefined;

  constructor(options: WorkerTransportOptions) {
    this.#options = options;
    this.#assignment = new WorkerAssignment(Math.max(options.maxWorkers, options.maxChunkWorkers ?? 1));
  }

  bring(job: RangeJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const id = this.#nextId++;
    const thread = this.#choose(job);
    const { window, ...rest } = job;
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => this.#send(thread, { op: 'abort', id });
      const settle = (outcome: () => void) => {
        signal.removeEventListener('abort', onAbort);
        this.#pending.delete(id);
        this.#byWindow.delete(window);
        thread.jobs -= 1;
        if (job.location.kind === 'xet') this.#chunkJobs -= 1;
        this.#assignment.end(job.path, thread.number);
        if (thread.jobs === 0) thread.worker.unref();
        outcome();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(id, {
        thread,
        job,
        observer,
        resolve: () => settle(resolve),
        // The caller may close the file only after the thread has released it.
        reject: (error) => settle(() => reject(signal.aborted ? signal.reason : error)),
      });
      this.#byWindow.set(window, id);
      thread.jobs += 1;
      if (job.location.kind === 'xet') this.#chunkJobs += 1;
      thread.worker.ref();
      const range = { start: window.position, end: window.end };
      this.#send(thread, { op: 'bring', id, range, ...rest });
    });
  }

  narrowed(window: RangeWindow): void {
    const id = this.#byWindow.get(window);
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || pending === undefined) return;
    this.#send(pending.thread, { op: 'narrow', id, end: window.end });
  }

  isSaturated(): boolean {
    const isIdle = this.#chunkJobs === 0 || this.#workers.length < this.#assignment.max;
    return !isIdle && this.isBusy();
  }

  isBusy(): boolean {
    if (this.#workers.length === 0) return false;
    const since = performance.now() - SATURATED_MS;
    const lookMs = this.#chunkJobs === 0 ? LOOK_MS : CHUNK_LOOK_MS;
    return this.#workers.every((one) => this.#isFull(one.number, lookMs) || one.fullAt > since);
  }

  elsewhere(): void {
    for (const one of this.#workers) this.#send(one, { op: 'elsewhere' });
  }

  /** Starts the first worker, so that it is ready for the first range. */
  warmUp(): void {
    if (this.#workers.length === 0) this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end(new FetchError('ABORTED', 'the transport was closed'));
  }

  #choose({ path, location }: RangeJob): IoWorker {
    const { startsAll = false, maxWorkers } = this.#options;
    const isFull = (worker: number) => {
      // To unpack and hash chunks takes five times what it takes to receive them: that fills every worker.
      if (startsAll || location.kind === 'xet') return true;
      return maxWorkers > 1 && this.#isFull(worker);
    };
    const number = this.#assignment.begin(path, isFull);
    return this.#workers[number] ?? this.#start();
  }

  /** Nothing is known of the use of a worker before it has worked for a while. */
  #isFull(number: number, lookMs = LOOK_MS): boolean {
    const one = this.#workers[number];
    const now = performance.now();
    if (one === undefined || now - one.lookedAt < lookMs) return one?.isFull ?? false;
    const used = one.worker.performance.eventLoopUtilization();
    one.isFull = one.worker.performance.eventLoopUtilization(used, one.use).utilization > FULL;
    one.use = used;
    one.lookedAt = now;
    if (one.isFull) one.fullAt = now;
    return one.isFull;
  }

  #start(): IoWorker {
    const { settings, userAgent } = this.#options;
    const workerData: TransportSetup = { settings, userAgent };
    // Compiled code sits beside this file under the same name.
    const worker = new Worker(new URL('./io-worker.js', import.meta.url), {
      workerData,
      // Options of the main program, such as --input-type, do not apply to the thread.
      execArgv: [],
      // The thread makes little garbage: do not reserve memory for it.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    const started: IoWorker = {
      number: this.#workers.length,
      worker,
      jobs: 0,
      lookedAt: performance.now(),
      use: worker.performance.eventLoopUtilization(),
      isFull: false,
      fullAt: Number.NEGATIVE_INFINITY,
    };
    worker.unref();
    worker.on('message', (reply: TransportReply) => this.#receive(reply));
    worker.on('error', (cause) => this.#fail(new FetchError('BUG', 'an I/O thread failed', { cause })));
    worker.on('exit', () => this.#fail(new FetchError('BUG', 'an I/O thread ended early')));
    this.#workers.push(started);
    if (started.number > 0)
      this.#options.trace(`I/O worker ${started.number + 1} of ${this.#assignment.max} starts`);
    return started;
  }

  #receive(reply: TransportReply): void {
    if (reply.kind === 'trace') {
      this.#options.trace(reply.message);
      return;
    }
    if (reply.kind === 'contact') {
      this.#options.onContact?.(reply.contact);
      return;
    }
    if (reply.kind === 'reports') {
      unpackReports(reply.reports, ({ id, written }) => {
        const pending = this.#pending.get(id);
        if (pending !== undefined) this.#tell(pending, { kind: 'wrote', id, written });
      });
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    switch (reply.kind) {
      case 'done':
        if (reply.last !== undefined)
          this.#tell(pending, { kind: 'wrote', id: reply.id, written: reply.last });
        if (pending.failure === undefined) pending.resolve();
        else pending.reject(pending.failure);
        return;
      case 'failed':
        pending.reject(pending.failure ?? fromPlainError(reply.error));
        return;
      default:
        this.#tell(pending, reply);
    }
  }

  /** Forwards an event to the observer, until the observer throws. */
  #tell(pending: Pending, reply: Extract<TransportReply, { kind: 'wrote' | 'whole' | 'moved' }>): void {
    if (pending.failure !== undefined) return;
    try {
      if (reply.kind === 'wrote') tellWritten(pending, reply.written);
      else if (reply.kind === 'moved') pending.observer.movedTo(reply.url);
      else this.#widen(pending, reply.id);
    } catch (error) {
      this.#observerFailed(pending, reply.id, error);
    }
  }

  #widen(pending: Pending, id: number): void {
    const { job, observer, thread } = pending;
    const widen = () => {
      const range = { start: job.window.position, end: job.window.end };
      this.#send(thread, { op: 'widen', id, range });
    };
    const widened = observer.wholeFile();
    if (widened === undefined) widen();
    else widened.then(widen, (error) => this.#observerFailed(pending, id, error));
  }

  /** The job fails with this error as soon as the thread has released the file. */
  #observerFailed(pending: Pending, id: number, error: unknown): void {
    pending.failure ??= error;
    this.#send(pending.thread, { op: 'abort', id });
  }

  #send({ worker }: IoWorker, command: TransportCommand): void {
    worker.postMessage(command);
  }

  #fail(error: FetchError): void {
    void this.#end(error);
  }

  /** Reject pending jobs only after all workers have exited: a live worker could still write to a closed (reused) descriptor. */
  async #end(error: FetchError): Promise<void> {
    this.#broken ??= error;
    const reason = this.#broken;
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
    for (const pending of [...this.#pending.values()]) pending.reject(reason);
  }
}

function tellWritten({ job, observer }: Pending, { range, wireBytes, chunks }: Written): void {
  job.window.position = range.end;
  if (chunks !== undefined) for (const chunk of unpackChunks(chunks)) observer.chunk?.(chunk);
  observer.wrote(range, wireBytes);
}
