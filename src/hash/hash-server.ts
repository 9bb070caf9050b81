import type { HashCommand, HashReply } from './hash-messages.ts';
import { HashSession } from './hash-session.ts';

/**
 * Carries out the commands of the hash thread. An error of a file is kept until somebody asks for its
 * digests: whoever sends `advance` does not wait for an answer.
 */
export class HashServer {
  readonly #sessions = new Map<number, HashSession>();
  readonly #failures = new Map<number, unknown>();

  /** Returns the reply to a `finish`, nothing for the others. */
  handle(command: HashCommand): HashReply | undefined {
    const { id } = command;
    try {
      switch (command.op) {
        case 'open':
          this.#sessions.set(id, new HashSession(command.path, command.size, command.git));
          return undefined;
        case 'advance':
          if (!this.#failures.has(id)) this.#sessions.get(id)?.advance(command.end);
          return undefined;
        case 'restart':
          // A file that could not even be opened stays a failure.
          if (!this.#sessions.has(id)) return undefined;
          this.#failures.delete(id);
          this.#sessions.get(id)?.restart();
          return undefined;
        case 'close':
          this.#sessions.get(id)?.close();
          this.#sessions.delete(id);
          this.#failures.delete(id);
          return undefined;
        case 'finish': {
          if (this.#failures.has(id)) throw this.#failures.get(id);
          const session = this.#sessions.get(id);
          if (session === undefined) throw new Error('no such file is being hashed');
          return { request: command.request, digests: session.finish() };
        }
      }
    } catch (error) {
      if (command.op === 'finish') return failure(command.request, error);
      this.#failures.set(id, error);
      return undefined;
    }
  }
}

function failure(request: number, error: unknown): HashReply {
  return { request, error: error instanceof Error ? error.message : String(error) };
}
