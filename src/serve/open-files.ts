import type { HeldFile } from '../store/held-revision.ts';
import { type OpenedFile, openVerified } from './send-file.ts';

interface Shared {
  readonly file: Promise<OpenedFile | undefined>;
  users: number;
}

/** Files that answers are sent from. All clients of one file share a descriptor: there are fewer of them than connections. */
export class OpenFiles {
  /** By stamp and path: a file that was put in the place of another one is opened anew. */
  readonly #files = new Map<string, Shared>();

  /** As `openVerified`. Disposing tells that this user needs it no longer. */
  async open(held: HeldFile): Promise<OpenedFile | undefined> {
    const key = `${held.stamp}\0${held.path}`;
    const shared = this.#files.get(key) ?? { file: openVerified(held), users: 0 };
    this.#files.set(key, shared);
    shared.users += 1;
    const leave = async () => {
      shared.users -= 1;
      if (shared.users > 0) return;
      this.#files.delete(key);
      await (await shared.file)?.[Symbol.asyncDispose]();
    };
    try {
      const file = await shared.file;
      if (file !== undefined) return { ...file, [Symbol.asyncDispose]: leave };
    } catch (error) {
      this.#files.delete(key);
      throw error;
    }
    await leave();
    return undefined;
  }
}
