import type { Hasher } from '../hash/hash-pool.ts';
import type { FetchError } from '../model/error.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import type { RunContext } from '../system/run-context.ts';
import type { TransferLimits, TransferSettings } from './transfer-settings.ts';
import type { Transport } from './transport/transport.ts';

/** What carrying out a plan needs from the world. */
export interface TransferContext extends RunContext {
  readonly source: Pick<Source, 'locate'>;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  readonly settings: TransferSettings;
  readonly limits: TransferLimits;
  /** Milliseconds that the source took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  /** Given a function that describes, in lines for people, what every connection is doing. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
  /**
   * Called before a file is fetched after all because its copy on this machine could not be used. What it rejects with
   * ends the run.
   */
  readonly onCopyRefused?: ((file: RemoteFile) => Promise<void>) | undefined;
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
