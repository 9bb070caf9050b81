import type { RemoteFile } from '../model/remote-file.ts';
import type { HeldFile, HeldRevision } from '../store/held-revision.ts';
import { lacksDescriptor } from '../system/descriptor-shortage.ts';

/** Hashes a file and compares it with every digest known for it. Rejects if it cannot be read. */
export type CheckFile = (held: HeldFile, file: RemoteFile, signal: AbortSignal) => Promise<boolean>;

/** Whether a file of a revision may be served, and from where. */
export type Servable =
  | { readonly kind: 'verified'; readonly held: HeldFile }
  /** It was copied or touched after it was hashed, and is being hashed again. */
  | { readonly kind: 'checking' }
  /** Nothing is there, or another content. */
  | { readonly kind: 'absent' };

type Verdict = 'checking' | 'right' | 'wrong';

/** A stranger can make us look at no more files than are listed; the oldest verdicts only cost another look. */
const MAX_VERDICTS = 100_000;

/**
 * Decides by our stat records which files may be served. A file that has another stamp than when it was hashed, because it was
 * copied here or changed, is hashed once in the background: what matches is served from then on, the rest is reported.
 */
export class VerifiedFiles {
  readonly #check: CheckFile;
  readonly #tell: (message: string) => void;
  readonly #signal: AbortSignal;
  /** By path and stamp. */
  readonly #verdicts = new Map<string, Verdict>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(check: CheckFile, tell: (message: string) => void, signal: AbortSignal) {
    this.#check = check;
    this.#tell = tell;
    this.#signal = signal;
  }

  /** `quiet`: that a file is not what was listed is no news, because another revision is still there. */
  find(revision: HeldRevision, file: RemoteFile, quiet: boolean = false): Servable {
    const held = revision.look(file);
    if (held === undefined) return { kind: 'absent' };
    if (held.verified) return { kind: 'verified', held };
    // Also the expected content: the same file may be listed with another digest by another revision.
    const key = `${held.path}\0${held.stamp}\0${file.digest?.hex ?? file.sha256 ?? ''}`;
    const verdict = this.#verdicts.get(key) ?? this.#begin(key, held, file, quiet);
    if (verdict === 'right') return { kind: 'verified', held };
    return { kind: verdict === 'checking' ? 'checking' : 'absent' };
  }

  #begin(key: string, held: HeldFile, file: RemoteFile, quiet: boolean): Verdict {
    if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear();
    if (held.size !== file.size) return this.#decide(key, held, false, quiet);
    this.#verdicts.set(key, 'checking');
    // One after the other: serving comes first.
    this.#queue = this.#queue.then(async () => {
      try {
        this.#decide(key, held, await this.#check(held, file, this.#signal), quiet);
      } catch (error) {
        if (this.#signal.aborted) return;
        if (lacksDescriptor(error)) {
          // The next request has it hashed again.
          this.#verdicts.delete(key);
          return;
        }
        this.#verdicts.set(key, 'wrong');
        if (!quiet) this.#tell(`${held.path} cannot be read and is not served: ${(error as Error).message}`);
      }
    });
    return 'checking';
  }

  #decide(key: string, { path }: HeldFile, right: boolean, quiet: boolean): Verdict {
    const verdict = right ? 'right' : 'wrong';
    this.#verdicts.set(key, verdict);
    if (!right && !quiet) this.#tell(`${path} has changed since it was verified and is not served`);
    return verdict;
  }
}
