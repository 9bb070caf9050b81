import { Worker } from 'node:worker_threads';
import type { ContentDigests } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import { unlessAborted } from '../system/on-abort.ts';
import type { CheckCommand, CheckReply } from './check-messages.ts';

/** More threads than this only wait for the disk. */
const MAX_THREADS = 8;

interface Job {
  readonly command: CheckCommand;
  readonly onRead: (bytes: number) => void;
  readonly resolve: (digests: ContentDigests) => void;
  readonly reject: (error: FetchError) => void;
}

/**
 * Hashes whole files in several threads, one file per thread at a time. Threads start when there is work
 * for them. Memory is one buffer per thread, however large the files are.
 */
export class ContentChecker implements AsyncDisposable {
  readonly #maxThreads: number;
  readonly #waiting: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  #broken: FetchError | undefined;
  #nextId = 1;

  /** One thread for each processor, within reason. */
  constructor(processors: number) {
    this.#maxThreads = Math.max(1, Math.min(processors, MAX_THREADS));
  }

  /**
   * The hashes of the first `size` bytes. DISK if they cannot be read. `onRead` hears of every step. Rejects with the
   * signal's reason as soon as it aborts; disposing ends what is being read.
   */
  check(
    path: string,
    size: number,
    options: { readonly git: boolean; readonly onRead: (bytes: number) => void },
    signal?: AbortSignal,
  ): Promise<ContentDigests> {
    const work = new Promise<ContentDigests>((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      const command = { id: this.#nextId++, path, size, git: options.git };
      this.#waiting.push({ command, onRead: options.onRead, resolve, reject });
      this.#next();
    });
    return unlessAborted(work, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = [...this.#idle, ...this.#busy.keys()];
    this.#fail(new FetchError('ABORTED', 'checking was stopped'));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    const worker = this.#idle.pop() ?? (this.#busy.size < this.#maxThreads ? this.#start() : undefined);
    if (worker === undefined) return;
    const job = this.#waiting.shift()!;
    this.#busy.set(worker, job);
    worker.ref();
    worker.postMessage(job.command);
  }

  #start(): Worker {
    // Compiled code sits beside this file under the same name; options of the main program are not for threads.
    const worker = new Worker(new URL('./check-worker.js', import.meta.url), { execArgv: [] });
    worker.on('message', (reply: CheckReply) => this.#receive(worker, reply));
    worker.on('error', (cause) => this.#fail(new FetchError('BUG', 'a checking thread failed', { cause })));
    worker.on('exit', () => this.#fail(new FetchError('BUG', 'a checking thread ended early')));
    return worker;
  }

  #receive(worker: Worker, reply: CheckReply): void {
    const job = this.#busy.get(worker);
    if (job === undefined || job.command.id !== reply.id) return;
    if (reply.kind === 'read') {
      job.onRead(reply.bytes);
      return;
    }
    this.#busy.delete(worker);
    worker.unref();
    this.#idle.push(worker);
    if (reply.kind === 'done') job.resolve(reply.digests);
    else job.reject(unreadable(job.command.path, reply.message));
    this.#next();
  }

  #fail(error: FetchError): void {
    this.#broken ??= error;
    for (const { reject } of [...this.#busy.values(), ...this.#waiting]) reject(error);
    this.#busy.clear();
    this.#waiting.length = 0;
  }
}

function unreadable(path: string, message: string): FetchError {
  return new FetchError('DISK', `${path} could not be read: ${message}`, {
    hint: 'Check who may read it. If it is an error of the disk, see what the system log says.',
  });
}
