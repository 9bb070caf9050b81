import type { ContentDigests } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';

/**
 * To a hash thread. `id` names a file: one that is hashed while it is written (`open` to `close`), or one that is read
 * from its first byte to its last (`read`, which ends with `done`, `failed` or `close`).
 */
export type HashCommand =
  | ({ readonly op: 'open' | 'read'; readonly id: number } & HashedFile)
  /** With `bytes`, the number of additional bytes to hash, it is answered by `advanced` once they are hashed. */
  | { readonly op: 'advance'; readonly id: number; readonly end: number; readonly bytes?: number }
  | { readonly op: 'restart'; readonly id: number }
  | { readonly op: 'finish'; readonly id: number; readonly request: number }
  | { readonly op: 'close'; readonly id: number };

export interface HashedFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes to hash, from the start of the file. */
  readonly size: number;
  /** Compute the git blob id as well. */
  readonly git: boolean;
}

/** Why a file could not be read. `code`: the error code of the system, if it came from there. */
export interface ReadFailure {
  readonly message: string;
  readonly code?: string | undefined;
}

export function readFailure(error: unknown): ReadFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  return { message: error.message, code: (error as NodeJS.ErrnoException).code };
}

/** The error for a file that this run only reads. */
export function unreadable(path: string, { message, code }: ReadFailure): FetchError {
  return new FetchError('DISK', `${path} could not be read: ${message}`, {
    cause: Object.assign(new Error(message), { code }),
    hint: 'Check who may read it. If it is an error of the disk, see what the system log says.',
  });
}

/** From a hash thread. `request`: that of a `finish`, or the `id` of a `read`. */
export type HashReply =
  | { readonly kind: 'done'; readonly request: number; readonly digests: ContentDigests }
  | ({ readonly kind: 'failed'; readonly request: number } & ReadFailure)
  | { readonly kind: 'advanced'; readonly bytes: number }
  /** Progress of a `read`. Bytes since the last reply; those before `done` are not reported. */
  | { readonly kind: 'progress'; readonly request: number; readonly bytes: number };
