import type { ContentDigests } from '../model/digest.ts';

/** Follows one file while it is written and hashes what is complete. */
export interface IncrementalHash {
  /** All bytes before `end` are on disk and will not be written again. */
  advance(end: number): void;
  /** Forgets what was hashed: the file is hashed from its first byte again. */
  restart(): void;
  /**
   * Hashes the rest; every byte of the file must be on disk. Call `restart` before asking again. Rejects with the
   * signal's reason as soon as it aborts; whoever disposes of the hasher then ends what is still being read.
   */
  digests(signal?: AbortSignal): Promise<ContentDigests>;
  close(): void;
}

/** Hashes files, elsewhere than on the main thread. Disposing drops whatever is under way. */
export interface Hasher extends AsyncDisposable {
  /** `git` asks for the git blob id as well. The file must exist. */
  follow(path: string, size: number, options: { readonly git: boolean }): IncrementalHash;
  /**
   * Hashes a file that is there already; several at the same time, each on a processor of its own. Rejects with the
   * signal's reason as soon as it aborts.
   */
  check(
    path: string,
    size: number,
    options: { readonly git: boolean },
    signal: AbortSignal,
  ): Promise<ContentDigests>;
}
