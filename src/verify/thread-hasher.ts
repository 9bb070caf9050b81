import { Worker } from 'node:worker_threads';
import { FetchError } from '../model/error.ts';
import type { ContentDigests } from '../store/store.ts';
import type { HashCommand, HashReply } from './hash-messages.ts';

interface Pending {
  readonly path: string;
  readonly resolve: (digests: ContentDigests) => void;
  readonly reject: (error: Error) => void;
}

/** Hashes in one worker thread, which starts with the first file. */
export class ThreadHasher implements AsyncDisposable {
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #broken: FetchError | undefined;
  #nextId = 1;

  /** See `Hasher` in transfer/hasher.ts, which this is made for. */
  follow(path: string, size: number, { git }: { readonly git: boolean }): ThreadFollower {
    const id = this.#nextId++;
    this.#send({ op: 'open', id, path, size, git });
    return {
      advance: (end) => this.#send({ op: 'advance', id, end }),
      restart: () => this.#send({ op: 'restart', id }),
      digests: () => this.#ask(id, path),
      close: () => this.#send({ op: 'close', id }),
    };
  }

  /** Starts the thread, so that it is ready when the first file is. */
  warmUp(): void {
    this.#worker ??= this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail(new FetchError('ABORTED', 'hashing was stopped'));
    await worker?.terminate();
  }

  #ask(id: number, path: string): Promise<ContentDigests> {
    const request = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      this.#pending.set(request, { path, resolve, reject });
      this.#worker?.ref();
      this.#send({ op: 'finish', id, request });
    });
  }

  #send(command: HashCommand): void {
    if (this.#broken !== undefined) return;
    this.#worker ??= this.#start();
    this.#worker.postMessage(command);
  }

  #start(): Worker {
    // Compiled code sits beside this file under the same name. Options of node like --input-type, by which
    // somebody may run a script that imports us, would keep it from starting.
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url), {
      execArgv: [],
      // It makes hardly any garbage, and is not to keep room for it.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    // It keeps the process alive only while somebody waits for a digest.
    worker.unref();
    worker.on('message', (reply: HashReply) => {
      const pending = this.#pending.get(reply.request);
      this.#pending.delete(reply.request);
      if (this.#pending.size === 0) worker.unref();
      if (pending === undefined) return;
      if ('digests' in reply) pending.resolve(reply.digests);
      else pending.reject(readError(pending.path, reply));
    });
    worker.on('error', (cause) => this.#fail(new FetchError('BUG', 'the hash thread failed', { cause })));
    worker.on('exit', () => this.#fail(new FetchError('BUG', 'the hash thread ended early')));
    return worker;
  }

  #fail(error: FetchError): void {
    this.#broken ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

export interface ThreadFollower {
  advance(end: number): void;
  restart(): void;
  digests(): Promise<ContentDigests>;
  close(): void;
}

function readError(path: string, reply: Extract<HashReply, { error: string }>): FetchError {
  return new FetchError('DISK', `${path} could not be read back: ${reply.error}`, {
    hint: 'The disk may be failing. Run the same command again; what is whole is kept.',
  });
}
