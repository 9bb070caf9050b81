import type { ContentDigests } from '../model/digest.ts';

/**
 * To a hash thread. `id` names a file: one that is hashed while it is written (`open` to `close`), or one that is read
 * from its first byte to its last (`read`, which ends with `done`, `failed` or `close`).
 */
export type HashCommand =
  | ({ readonly op: 'open' | 'read'; readonly id: number } & HashedFile)
  /** With `bytes`, how many more than before may be hashed, it is answered with `advanced` when they were. */
  | { readonly op: 'advance'; readonly id: number; readonly end: number; readonly bytes?: number }
  | { readonly op: 'restart'; readonly id: number }
  | { readonly op: 'finish'; readonly id: number; readonly request: number }
  | { readonly op: 'close'; readonly id: number };

export interface HashedFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes to hash, from the first on. */
  readonly size: number;
  /** Whether the git blob id is wanted as well. */
  readonly git: boolean;
}

/** Why a file could not be read. `code` is that of the system, where it is its error. */
export interface ReadFailure {
  readonly message: string;
  readonly code?: string | undefined;
}

export function readFailure(error: unknown): ReadFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  return { message: error.message, code: (error as NodeJS.ErrnoException).code };
}

/** From a hash thread. `request` is that of a `finish`, or the `id` of a `read`. */
export type HashReply =
  | { readonly kind: 'done'; readonly request: number; readonly digests: ContentDigests }
  | ({ readonly kind: 'failed'; readonly request: number } & ReadFailure)
  | { readonly kind: 'advanced'; readonly bytes: number }
  /** Progress of a `read`. Bytes since the last reply; those before `done` are not reported. */
  | { readonly kind: 'progress'; readonly request: number; readonly bytes: number };
