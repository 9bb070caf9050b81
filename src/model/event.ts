import type { ErrorCode } from './error.ts';
import type { Plan } from './plan.ts';
import type { RepoRef, Revision } from './repo.ts';

/** How a file came to be right. */
export type FileOutcome = 'transferred' | 'kept' | 'repaired';

/**
 * What a run tells whoever watches it. Plain records, emitted on every change; those who show them own
 * all timing and wording. Sizes are bytes, times milliseconds. Names come from a server: not safe to print.
 */
export type TransferEvent =
  | { readonly type: 'resolved'; readonly asked: RepoRef; readonly revision: Revision }
  /** Entries of the listing that have arrived so far. */
  | { readonly type: 'listing'; readonly files: number }
  | { readonly type: 'planned'; readonly plan: Plan; readonly directory: string }
  /** A file begins to move; `held` bytes of it were here before. */
  | { readonly type: 'file-started'; readonly path: string; readonly size: number; readonly held: number }
  /** Bytes of a file that have just been written to the disk. */
  | { readonly type: 'bytes'; readonly path: string; readonly count: number }
  /** Bytes counted before that have to be fetched again. */
  | { readonly type: 'bytes-lost'; readonly path: string; readonly count: number }
  /** All bytes are on disk and only the hash is awaited. */
  | { readonly type: 'file-verifying'; readonly path: string }
  | {
      readonly type: 'retrying';
      /** What is being tried again: a file's path, or what the hub was asked for. */
      readonly what: string;
      readonly attempt: number;
      readonly delayMs: number;
      /** Unix time in milliseconds when the wait is over; told of long waits. */
      readonly until?: number | undefined;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | {
      readonly type: 'file-finished';
      readonly path: string;
      readonly size: number;
      readonly how: FileOutcome;
    }
  | {
      readonly type: 'file-failed';
      readonly path: string;
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** Something that people should know and scripts need not. */
  | { readonly type: 'note'; readonly message: string }
  /** What the hub tells its users beside its answers. To be shown once for each topic, when the run is over. */
  | { readonly type: 'hub-warning'; readonly topic: string; readonly message: string }
  /** A host is about to be contacted; more than one part of the program may say so of the same one. */
  | { readonly type: 'contact'; readonly host: string; readonly proxy: string | undefined }
  /** For `--verbose` only: requests, hosts, decisions. Never holds a token or a signed query. */
  | { readonly type: 'trace'; readonly message: string };

/** Is told of each event of a run, while it happens. What it throws ends the run. */
export type Emit = (event: TransferEvent) => void;
