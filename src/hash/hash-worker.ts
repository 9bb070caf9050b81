import { parentPort } from 'node:worker_threads';
import { type HashCommand, type HashedFile, type HashReply, readFailure } from './hash-messages.ts';
import { HashSession } from './hash-session.ts';

/** Bytes of a file that are read before the thread handles other commands and reports progress. */
const STEP_BYTES = 32 * 1024 * 1024;

/**
 * Executes the commands of a hash thread. Files that are being written and files that are read whole take turns. The
 * error of a file is kept until its digests are requested: a reply to `advance` only says that the command was
 * handled.
 */
export class HashServer {
  readonly #reply: (reply: HashReply) => void;
  readonly #sessions = new Map<number, HashSession>();
  readonly #failures = new Map<number, unknown>();

  constructor(reply: (reply: HashReply) => void) {
    this.#reply = reply;
  }

  handle(command: HashCommand): void {
    const { id } = command;
    switch (command.op) {
      case 'open':
        this.#attempt(id, () => this.#open(id, command));
        return;
      case 'read':
        this.#read(id, command);
        return;
      case 'advance':
        if (!this.#failures.has(id)) this.#attempt(id, () => this.#sessions.get(id)?.advance(command.end));
        if (command.bytes !== undefined) this.#reply({ kind: 'advanced', bytes: command.bytes });
        return;
      case 'restart':
        // The file could not even be opened: its error is kept.
        if (!this.#sessions.has(id)) return;
        this.#failures.delete(id);
        this.#attempt(id, () => this.#sessions.get(id)?.restart());
        return;
      case 'finish':
        this.#finish(id, command.request);
        return;
      case 'close':
        this.#close(id);
        return;
    }
  }

  #open(id: number, { path, size, git }: HashedFile): void {
    this.#sessions.set(id, new HashSession(path, size, git));
  }

  #attempt(id: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failures.set(id, error);
    }
  }

  #finish(id: number, request: number): void {
    try {
      if (this.#failures.has(id)) throw this.#failures.get(id);
      const session = this.#sessions.get(id);
      if (session === undefined) throw new Error('no such file is being hashed');
      this.#reply({ kind: 'done', request, digests: session.finish() });
    } catch (error) {
      this.#reply({ kind: 'failed', request, ...readFailure(error) });
    }
  }

  #read(id: number, file: HashedFile): void {
    try {
      this.#open(id, file);
    } catch (error) {
      this.#reply({ kind: 'failed', request: id, ...readFailure(error) });
      return;
    }
    this.#readOn(id, file.size, 0);
  }

  /** One step of a whole file. Does nothing once the file is closed. */
  #readOn(id: number, size: number, start: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const end = Math.min(size, start + STEP_BYTES);
    try {
      if (end < size) {
        session.advance(end);
        this.#reply({ kind: 'progress', request: id, bytes: end - start });
        // Yields to the event loop, so that commands for other files are handled.
        setImmediate(() => this.#readOn(id, size, end));
        return;
      }
      this.#reply({ kind: 'done', request: id, digests: session.finish() });
    } catch (error) {
      this.#reply({ kind: 'failed', request: id, ...readFailure(error) });
    }
    this.#close(id);
  }

  #close(id: number): void {
    this.#sessions.get(id)?.close();
    this.#sessions.delete(id);
    this.#failures.delete(id);
  }
}

// In a worker thread of a pool: connect to the main thread.
if (parentPort !== null) {
  const port = parentPort;
  const server = new HashServer((reply) => port.postMessage(reply));
  port.on('message', (command: HashCommand) => server.handle(command));
}
