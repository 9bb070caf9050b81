import type { Hasher } from '../hash/hash-pool.ts';
import type { ChunkRun } from '../model/chunks.ts';
import type { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import type { Clock, Random } from '../system/clock.ts';
import type { RetryPolicy } from '../system/retry.ts';
import type { Transport } from './transport/transport.ts';

/**
 * How files with a Xet hash come: as ranges over plain HTTP, or as chunks from the content store. `xet` goes on over
 * HTTP where the store fails, and `auto` the other way round; `http` never uses the store.
 */
export type Protocol = 'auto' | 'http' | 'xet';

/** What carrying out a plan needs from the world. */
export interface TransferContext {
  readonly source: Pick<Source, 'locate' | 'reconstruct'>;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  /** How files with a Xet hash come; `http` if left out. */
  readonly protocol?: Protocol | undefined;
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Files that may wait for their hash and their name before connections wait for them: each holds descriptors. */
  readonly waitingFiles: number;
  /** How many of the connections large files may have. */
  readonly largeConnections: number;
  /** Milliseconds that the source took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  /** Bytes per second that the user allows; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Given a function that describes, in lines for people, what every connection is doing. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
  /**
   * Called before a file is fetched after all because its copy on this machine could not be used. What it rejects with
   * ends the run.
   */
  readonly onCopyRefused?: ((file: RemoteFile) => Promise<void>) | undefined;
  /** Called for each verified file that came as chunks, with all of them. */
  readonly onChunks?: ((file: RemoteFile, runs: readonly ChunkRun[]) => Promise<void>) | undefined;
}

export interface FileFailure {
  readonly path: string;
  readonly error: FetchError;
}

/** What a run has brought. */
export interface RunResult {
  /** Bytes of files that came from the source and stayed. */
  readonly fetchedBytes: number;
  /** Bytes of files that were copied from this machine and stayed. */
  readonly copiedBytes: number;
  /** Bytes that the network carried for files, what was fetched twice included. */
  readonly wireBytes: number;
  /** Files that could not be had although the rest could. */
  readonly failures: readonly FileFailure[];
}
