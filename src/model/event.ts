import type { ErrorCode } from './error.ts';
import type { Plan } from './plan.ts';
import type { RepoRef, Revision } from './repo.ts';

/** How a file was completed. `kept`: it existed, or was only copied from this machine. */
export type FileOutcome = 'transferred' | 'kept' | 'repaired';

/**
 * What a run reports. Plain records, emitted at every change; reporters own timing and wording. Sizes are bytes, times
 * milliseconds. Names come from a server: pass them through `printable` before printing.
 */
export type TransferEvent =
  | { readonly type: 'resolved'; readonly asked: RepoRef; readonly revision: Revision }
  /** Entries of the listing that have arrived so far. */
  | { readonly type: 'listing'; readonly files: number }
  | { readonly type: 'planned'; readonly plan: Plan; readonly directory: string }
  /** The transfer of a file begins; `held` bytes of it are on disk already. */
  | { readonly type: 'file-started'; readonly path: string; readonly size: number; readonly held: number }
  /** Bytes of a file came from the source and were written to the disk. */
  | { readonly type: 'bytes'; readonly path: string; readonly count: number }
  /** Bytes of a file were copied from another file on this machine. */
  | { readonly type: 'copied'; readonly path: string; readonly count: number }
  /** Bytes that were counted before must be fetched again. */
  | { readonly type: 'bytes-lost'; readonly path: string; readonly count: number }
  /** All bytes are on disk; only the hash is outstanding. */
  | { readonly type: 'file-verifying'; readonly path: string }
  | {
      readonly type: 'retrying';
      /** What is retried: a file's path, or the subject of a request to the source. */
      readonly what: string;
      readonly attempt: number;
      readonly delayMs: number;
      /** Unix time in milliseconds when the wait ends; set for long waits. */
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
  /** Information for people, not for scripts. */
  | { readonly type: 'note'; readonly message: string }
  /** A warning that the Hub sent in a header. Show it once per topic, at the end of the run. */
  | { readonly type: 'hub-warning'; readonly topic: string; readonly message: string }
  /** A host is about to be contacted. Several threads may report the same host. */
  | { readonly type: 'contact'; readonly host: string; readonly proxy: string | undefined }
  /** For `--verbose` only: requests, hosts, decisions. Never holds a token or a signed query. */
  | { readonly type: 'trace'; readonly message: string };

/** Called with each event of a run as it happens. If it throws, the run ends with that error. */
export type Emit = (event: TransferEvent) => void;
