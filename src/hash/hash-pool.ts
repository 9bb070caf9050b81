import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ContentDigests } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import { unlessAborted } from '../system/on-abort.ts';
import { ContentChecker } from './content-checker.ts';
import type { HashCommand, HashReply } from './hash-messages.ts';
import { HashSession } from './hash-session.ts';

/** To hash so little takes less time than to ask a thread to do it. */
const ON_THE_SPOT_BYTES = 64 * 1024;

interface Pending {
  readonly path: string;
  readonly resolve: (digests: ContentDigests) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Hashes what arrives in one worker thread, which starts with the first file, and what is there already in as many as
 * there are processors; the smallest files on the spot.
 */
export class HashPool implements AsyncDisposable {
  readonly #pending = new Map<number, Pending>();
  readonly #checker: ContentChecker;
  #worker: Worker | undefined;
  #broken: FetchError | undefined;
  #nextId = 1;

  constructor(processors = 1) {
    this.#checker = new ContentChecker(processors);
  }

  async check(
    path: string,
    size: number,
    { git }: { readonly git: boolean },
    signal: AbortSignal,
  ): Promise<ContentDigests> {
    signal.throwIfAborted();
    if (size <= ON_THE_SPOT_BYTES) {
      // Of tens of thousands of small files others must get their turn in between.
      await setImmediate();
      signal.throwIfAborted();
      return await new InlineHash(path, size, git, () => this.#broken).digests();
    }
    return await this.#checker.check(path, size, { git, onRead: () => {} }, signal);
  }

  /** See `Hasher` in transfer/hasher.ts, which this is made for. */
  follow(path: string, size: number, { git }: { readonly git: boolean }): WorkerHash {
    if (size <= ON_THE_SPOT_BYTES) return new InlineHash(path, size, git, () => this.#broken);
    const id = this.#nextId++;
    this.#send({ op: 'open', id, path, size, git });
    return {
      advance: (end) => this.#send({ op: 'advance', id, end }),
      restart: () => this.#send({ op: 'restart', id }),
      digests: (signal) => unlessAborted(this.#ask(id, path), signal),
      close: () => this.#send({ op: 'close', id }),
    };
  }

  /** A file of this size will come: a thread that it needs is ready by then. */
  expect(size: number): void {
    if (size > ON_THE_SPOT_BYTES) this.#worker ??= this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail(new FetchError('ABORTED', 'hashing was stopped'));
    await Promise.all([worker?.terminate(), this.#checker[Symbol.asyncDispose]()]);
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
      else pending.reject(readError(pending.path, reply.error));
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

export interface WorkerHash {
  advance(end: number): void;
  restart(): void;
  digests(signal?: AbortSignal): Promise<ContentDigests>;
  close(): void;
}

/** Reads the file when it is asked for, and at no other time. */
class InlineHash implements WorkerHash {
  readonly #path: string;
  readonly #size: number;
  readonly #git: boolean;
  readonly #broken: () => FetchError | undefined;
  #closed = false;

  constructor(path: string, size: number, git: boolean, broken: () => FetchError | undefined) {
    this.#path = path;
    this.#size = size;
    this.#git = git;
    this.#broken = broken;
  }

  advance(): void {}
  restart(): void {}

  close(): void {
    this.#closed = true;
  }

  async digests(): Promise<ContentDigests> {
    const broken = this.#broken();
    if (broken !== undefined) throw broken;
    if (this.#closed) throw readError(this.#path, 'it was closed');
    let session: HashSession | undefined;
    try {
      session = new HashSession(this.#path, this.#size, this.#git);
      return session.finish();
    } catch (error) {
      throw readError(this.#path, error instanceof Error ? error.message : String(error));
    } finally {
      session?.close();
    }
  }
}

function readError(path: string, why: string): FetchError {
  return new FetchError('DISK', `${path} could not be read back: ${why}`, {
    hint: 'The disk may be failing. Run the same command again; what is whole is kept.',
  });
}
