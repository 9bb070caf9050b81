import type { FetchError } from '../model/error.ts';

export interface FileFailure {
  readonly path: string;
  readonly error: FetchError;
}

export interface RunResult {
  /** Bytes that came over the network and stayed. */
  readonly fetchedBytes: number;
  /** Files that could not be had although the rest could. */
  readonly failures: readonly FileFailure[];
}
