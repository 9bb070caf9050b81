import type { Hasher } from '../hash/hash-pool.ts';
import type { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import type { Clock, Random } from '../system/clock.ts';
import type { RetryPolicy } from '../system/retry.ts';
import type { Transport } from './transport/transport.ts';

/** Everything that executing a plan depends on. */
export interface TransferContext {
  readonly source: Pick<Source, 'locate'>;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  /** Maximum of connections that carry file bytes. */
  readonly connections: number;
  /** How many files may wait for verification before connections pause: each holds descriptors. */
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
  /** Receives a function that describes what every connection is doing, in lines for people. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
  /** Called before a file is fetched because its local copy could not be used. A rejection ends the run. */
  readonly onCopyRefused?: ((file: RemoteFile) => Promise<void>) | undefined;
}

export interface FileFailure {
  readonly path: string;
  readonly error: FetchError;
}

/** The result of a run. */
export interface RunResult {
  /** Bytes of files that came from the source and stayed. */
  readonly fetchedBytes: number;
  /** Bytes of files that were copied from this machine and stayed. */
  readonly copiedBytes: number;
  /** Bytes that the network carried for files, including what was fetched twice. */
  readonly wireBytes: number;
  /** Files that failed although the rest succeeded. */
  readonly failures: readonly FileFailure[];
}
