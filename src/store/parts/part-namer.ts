import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { FetchError } from '../../model/error.ts';
import type { Flush } from '../../system/disk/flush.ts';
import type { FinalPlace } from '../paths/final-place.ts';
import { type FinishedPart, namePart } from './name-part.ts';
import { fromNamingError, type NamingCommand, type NamingReply } from './naming-messages.ts';

export interface PartNamerOptions {
  /** Absolute path of the directory that the final names are in. */
  readonly root: string;
  readonly place: FinalPlace;
  readonly flush: Flush;
  /** Parts that are named in the calling thread before a worker starts; without it none starts. */
  readonly partsBeforeWorker?: number | undefined;
}

interface Pending {
  readonly final: string;
  readonly close: (isClosed: boolean) => void;
  readonly resolve: (stamp: string | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Makes small parts durable and gives them their names. Where there are many, a worker does it: a thousand files are ten
 * thousand calls to the file system, each of which blocks its thread.
 */
export class PartNamer implements AsyncDisposable {
  readonly #options: PartNamerOptions;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #broken: FetchError | undefined;
  #named = 0;

  constructor(options: PartNamerOptions) {
    this.#options = options;
  }

  /** Whether a worker was started. */
  get hasWorker(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Flushes the content, then names it; returns the stamp of the file, undefined if it changed meanwhile. `close` closes the
   * descriptor, or is told that it was closed.
   */
  async name(part: FinishedPart, close: (isClosed: boolean) => void): Promise<string | undefined> {
    const { flush, place, partsBeforeWorker = Number.POSITIVE_INFINITY } = this.#options;
    this.#named += 1;
    if (this.#named > partsBeforeWorker) return await this.#send(part, close);
    await flush.file(part.descriptor);
    return await namePart(part, place, () => close(false));
  }

  /** Call it when nothing is being named any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new FetchError('ABORTED', 'the naming of files was stopped'));
    await this.#worker?.terminate();
  }

  #send(part: FinishedPart, close: (isClosed: boolean) => void): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      this.#worker ??= this.#start();
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(this.#named, { final: part.final, close, resolve, reject });
      this.#worker.postMessage({ id: this.#named, part } satisfies NamingCommand);
    });
  }

  #start(): Worker {
    const { root } = this.#options;
    // Compiled code sits beside this file under the same name.
    const worker = new Worker(new URL('./naming-worker.js', import.meta.url), {
      workerData: { root },
      // Options of the main program, such as --input-type, are not meant for the thread.
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
      // It closes what this thread has opened.
      trackUnmanagedFds: false,
    });
    worker.on('message', (reply: NamingReply) => this.#receive(reply));
    worker.on('error', (cause) => this.#fail(new FetchError('BUG', 'the naming worker failed', { cause })));
    worker.on('exit', () => this.#fail(new FetchError('BUG', 'the naming worker ended early')));
    return worker;
  }

  #receive(reply: NamingReply): void {
    if (reply.kind === 'note') {
      this.#options.flush.tell(reply.message);
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker?.unref();
    if (reply.kind === 'failed') {
      if (reply.isClosed) pending.close(true);
      pending.reject(fromNamingError(reply.error));
      return;
    }
    pending.close(true);
    this.#options.place.moved(dirname(pending.final));
    pending.resolve(reply.stamp);
  }

  #fail(error: FetchError): void {
    this.#broken ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#broken);
    this.#pending.clear();
  }
}
