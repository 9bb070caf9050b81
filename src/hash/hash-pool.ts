import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ContentDigests } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import { diskError } from '../system/disk/disk-error.ts';
import { unlessAborted } from '../system/on-abort.ts';
import {
  type HashCommand,
  type HashedFile,
  type HashReply,
  type ReadFailure,
  readFailure,
  unreadable,
} from './hash-messages.ts';
import { HashSession } from './hash-session.ts';

/** Bytes. A smaller file is hashed in less time than a message to a thread takes. */
const INLINE_BYTES = 64 * 1024;
/** More threads than this only wait for the disk. */
const MAX_THREADS = 8;
/** One thread for this many processors hashes files while they are written: the others receive and write. */
const PROCESSORS_PER_FOLLOWER = 4;
/** Bytes. A message costs about as much as hashing so small a file. */
const SMALL_BYTES = 1024 * 1024;
/** Small whole files that a thread has at once: it goes on with the next without waiting for the main thread. */
const MAX_SMALL_READS = 8;
/** Bytes. The next file that is being written gets a new thread if the others are this far behind. */
const MAX_BEHIND_BYTES = 64 * 1024 * 1024;

/** Hashes one file while it is written. */
export interface IncrementalHash {
  /** All bytes before `end` are on disk and will not be written again. */
  advance(end: number): void;
  /** Forgets what was hashed: the file is hashed from its first byte again. */
  restart(): void;
  /**
   * Hashes the rest; every byte of the file must be on disk. Call `restart` before asking again. DISK if the file cannot
   * be read. Rejects with the signal's reason as soon as it aborts; disposing of the hasher stops the reading.
   */
  digests(signal?: AbortSignal): Promise<ContentDigests>;
  close(): void;
}

/** Hashes files. Disposing cancels all active work, which rejects with ABORTED. */
export interface Hasher extends AsyncDisposable {
  /** `git`: compute the git blob id as well. The file must exist. */
  follow(path: string, size: number, options: { readonly git: boolean }): IncrementalHash;
  /**
   * Hashes the first `size` bytes of a complete file. Rejects with DISK if they cannot be read, or with the signal's
   * reason as soon as it aborts. `onRead` receives the bytes of each step.
   */
  check(
    path: string,
    size: number,
    options: { readonly git: boolean; readonly onRead?: (bytes: number) => void },
    signal: AbortSignal,
  ): Promise<ContentDigests>;
}

interface HashThread {
  readonly worker: Worker;
  /** Files that it hashes while they are written. */
  followed: number;
  /** Bytes of those files that are on disk and not hashed yet. */
  behind: number;
  /** Whole files that it was given to read: one large or some small ones. */
  reads: number;
  /** One of them is large. */
  readsLarge: boolean;
  /** Digests that a caller waits for. */
  awaited: number;
}

interface Pending {
  readonly thread: HashThread;
  readonly resolve: (digests: ContentDigests) => void;
  readonly reject: (error: Error) => void;
  readonly failure: (why: ReadFailure) => FetchError;
  readonly onRead: (bytes: number) => void;
  readonly reads: boolean;
}

/** A whole file that is waiting for a thread. */
interface WholeFile extends Pick<Pending, 'resolve' | 'reject' | 'onRead'> {
  readonly id: number;
  readonly file: HashedFile;
  readonly signal: AbortSignal;
}

export interface HashPoolOptions {
  /**
   * Files up to this size are hashed in the calling thread. 0 if that thread must stay responsive while many small
   * files are read from a slow disk.
   */
  readonly inlineBytes?: number;
  /** Maximum of threads for files that are being written; derived from the processors if left out. */
  readonly followers?: number;
  /** Each file under way gets a thread of its own while there are some, also when no thread is behind. */
  readonly startsAll?: boolean;
}

/**
 * The hash threads of a run. A file that is being written stays with one thread; the next one gets a new thread if
 * the others are behind. Complete files are read one per thread at a time, small ones a few. Each thread needs one buffer, whatever the
 * size of the files. Small files are hashed in the calling thread.
 */
export class HashPool implements Hasher {
  readonly #maxThreads: number;
  readonly #maxFollowers: number;
  readonly #inlineBytes: number;
  readonly #startsAll: boolean;
  readonly #threads: HashThread[] = [];
  readonly #pending = new Map<number, Pending>();
  readonly #waiting = new Set<WholeFile>();
  #turn: Promise<void> = Promise.resolve();
  #broken: FetchError | undefined;
  #nextId = 1;

  /** At most one thread per processor. */
  constructor(processors = 1, options: HashPoolOptions = {}) {
    const { inlineBytes = INLINE_BYTES, followers, startsAll = false } = options;
    this.#maxThreads = Math.max(1, Math.min(processors, MAX_THREADS));
    const usual = Math.floor(processors / PROCESSORS_PER_FOLLOWER);
    this.#maxFollowers = followers ?? Math.max(1, Math.min(usual, MAX_THREADS));
    this.#inlineBytes = inlineBytes;
    this.#startsAll = startsAll;
  }

  /** Threads that were started. */
  get threads(): number {
    return this.#threads.length;
  }

  async check(
    path: string,
    size: number,
    { git, onRead = () => {} }: { readonly git: boolean; readonly onRead?: (bytes: number) => void },
    signal: AbortSignal,
  ): Promise<ContentDigests> {
    signal.throwIfAborted();
    const file = { path, size, git };
    if (size <= this.#inlineBytes) {
      await unlessAborted(this.#nextTurn(), signal);
      const digests = this.#hashInline(file, (why) => unreadable(path, why));
      onRead(size);
      return digests;
    }
    const id = this.#nextId++;
    const work = new Promise<ContentDigests>((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      this.#waiting.add({ id, file, signal, onRead, resolve, reject });
      this.#readNext();
    });
    try {
      return await unlessAborted(work, signal);
    } finally {
      if (signal.aborted) this.#cancel(id);
    }
  }

  follow(path: string, size: number, { git }: { readonly git: boolean }): IncrementalHash {
    const file = { path, size, git };
    if (size <= this.#inlineBytes) return this.#followInline(file);
    const id = this.#nextId++;
    let thread: HashThread | undefined;
    let advanced = 0;
    let closed = false;
    const send = (command: HashCommand) => {
      if (this.#broken === undefined) thread?.worker.postMessage(command);
    };
    // Choose the thread late: only then is it known which one is behind.
    const assign = () => {
      if (thread !== undefined || closed || this.#broken !== undefined) return;
      thread = this.#follower();
      thread.followed += 1;
      send({ op: 'open', id, ...file });
    };
    return {
      advance: (end) => {
        assign();
        const bytes = Math.max(0, end - advanced);
        advanced = end;
        if (thread !== undefined) thread.behind += bytes;
        send({ op: 'advance', id, end, bytes });
      },
      restart: () => {
        advanced = 0;
        send({ op: 'restart', id });
      },
      digests: (signal) => {
        assign();
        return unlessAborted(this.#finish(id, path, thread), signal);
      },
      close: () => {
        if (!closed && thread !== undefined) thread.followed -= 1;
        closed = true;
        send({ op: 'close', id });
      },
    };
  }

  /** Announces a file of this size, so that a thread is ready when it starts. */
  expect(size: number): void {
    if (size > this.#inlineBytes && this.#threads.length === 0 && this.#broken === undefined) this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new FetchError('ABORTED', 'hashing was stopped'));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #followInline(file: HashedFile): IncrementalHash {
    let closed = false;
    return {
      advance: () => {},
      restart: () => {},
      digests: async () => {
        if (closed) throw unreadableAgain(file.path, { message: 'it was closed' });
        return this.#hashInline(file, (why) => unreadableAgain(file.path, why));
      },
      close: () => {
        closed = true;
      },
    };
  }

  #hashInline({ path, size, git }: HashedFile, failure: (why: ReadFailure) => FetchError): ContentDigests {
    if (this.#broken !== undefined) throw this.#broken;
    let session: HashSession | undefined;
    try {
      session = new HashSession(path, size, git);
      return session.finish();
    } catch (error) {
      throw failure(readFailure(error));
    } finally {
      session?.close();
    }
  }

  /** One small file per turn of the event loop: timers and sockets are served in between. */
  async #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(() => setImmediate());
    await this.#turn;
  }

  async #finish(id: number, path: string, thread: HashThread | undefined): Promise<ContentDigests> {
    if (this.#broken !== undefined || thread === undefined) throw this.#broken;
    const request = this.#nextId++;
    return await new Promise((resolve, reject) => {
      const failure = (why: ReadFailure) => unreadableAgain(path, why);
      this.#expectReply(request, { thread, resolve, reject, failure, onRead: () => {}, reads: false });
      thread.worker.postMessage({ op: 'finish', id, request } satisfies HashCommand);
    });
  }

  /** Assigns waiting whole files to threads that read none. */
  #readNext(): void {
    for (const whole of this.#waiting) {
      const { id, file, signal, resolve, reject, onRead } = whole;
      if (signal.aborted) {
        this.#waiting.delete(whole);
        continue;
      }
      const thread = this.#forWholeFile(file.size);
      if (thread === undefined) return;
      this.#waiting.delete(whole);
      thread.reads += 1;
      thread.readsLarge = file.size > SMALL_BYTES;
      let left = file.size;
      const counted = (bytes: number) => {
        left -= bytes;
        onRead(bytes);
      };
      const done = (digests: ContentDigests) => {
        onRead(left);
        resolve(digests);
      };
      const failure = (why: ReadFailure) => unreadable(file.path, why);
      this.#expectReply(id, { thread, resolve: done, reject, failure, onRead: counted, reads: true });
      thread.worker.postMessage({ op: 'read', id, ...file } satisfies HashCommand);
    }
  }

  #forWholeFile(size: number): HashThread | undefined {
    const free = this.#threads.filter(({ reads }) => reads === 0);
    const idle = free.find(({ followed }) => followed === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#maxThreads) return this.#start();
    if (free.length > 0) return free.sort((left, right) => left.followed - right.followed)[0];
    if (size > SMALL_BYTES) return undefined;
    return this.#threads
      .filter(({ reads, readsLarge }) => !readsLarge && reads < MAX_SMALL_READS)
      .sort((left, right) => left.reads - right.reads)[0];
  }

  /** The thread for one more file that is being written. */
  #follower(): HashThread {
    const [first = this.#start(), ...others] = this.#threads;
    const load = ({ behind, followed, reads }: HashThread) => behind + followed + reads;
    const least = others.reduce((found, thread) => (load(thread) < load(found) ? thread : found), first);
    const isBusy = this.#startsAll ? least.followed > 0 : least.behind > MAX_BEHIND_BYTES;
    if (isBusy && this.#threads.length < this.#maxFollowers) return this.#start();
    return least;
  }

  #start(): HashThread {
    // Compiled code sits beside this file under the same name. Options of node, such as --input-type, would keep the
    // thread from starting.
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url), {
      execArgv: [],
      // The thread makes little garbage: do not reserve memory for it.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    // It keeps the process alive only while a digest is awaited.
    worker.unref();
    worker.on('error', (cause) => this.#fail(new FetchError('BUG', 'a hash thread failed', { cause })));
    worker.on('exit', () => this.#fail(new FetchError('BUG', 'a hash thread ended early')));
    const thread: HashThread = { worker, followed: 0, behind: 0, reads: 0, readsLarge: false, awaited: 0 };
    worker.on('message', (reply: HashReply) => this.#receive(reply, thread));
    this.#threads.push(thread);
    return thread;
  }

  #expectReply(request: number, pending: Pending): void {
    this.#pending.set(request, pending);
    pending.thread.awaited += 1;
    pending.thread.worker.ref();
  }

  #settle(request: number): Pending | undefined {
    const pending = this.#pending.get(request);
    if (pending === undefined) return undefined;
    this.#pending.delete(request);
    const { thread } = pending;
    thread.awaited -= 1;
    if (thread.awaited === 0) thread.worker.unref();
    if (pending.reads) thread.reads -= 1;
    return pending;
  }

  #receive(reply: HashReply, thread: HashThread): void {
    if (reply.kind === 'advanced') {
      thread.behind -= reply.bytes;
      return;
    }
    if (reply.kind === 'progress') {
      this.#pending.get(reply.request)?.onRead(reply.bytes);
      return;
    }
    const pending = this.#settle(reply.request);
    if (pending === undefined) return;
    if (reply.kind === 'done') pending.resolve(reply.digests);
    else pending.reject(pending.failure(reply));
    if (pending.reads) this.#readNext();
  }

  /** Stops reading a whole file. */
  #cancel(id: number): void {
    const pending = this.#settle(id);
    if (pending === undefined || this.#broken !== undefined) return;
    pending.thread.worker.postMessage({ op: 'close', id } satisfies HashCommand);
    this.#readNext();
  }

  #fail(error: FetchError): void {
    this.#broken ??= error;
    for (const { reject } of [...this.#pending.values(), ...this.#waiting]) reject(error);
    this.#pending.clear();
    this.#waiting.clear();
  }
}

/**
 * The error for a file that this run has written. Only an error of the disk itself suggests that the disk is failing.
 */
function unreadableAgain(path: string, { message, code }: ReadFailure): FetchError {
  const cause = Object.assign(new Error(message), { code });
  const known = code === 'EIO' ? undefined : diskError(cause, path);
  if (known instanceof FetchError) return known;
  return new FetchError('DISK', `${path} could not be read back: ${message}`, {
    hint: 'The disk may be failing. Run the same command again; what is whole is kept.',
  });
}
