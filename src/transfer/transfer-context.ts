import type { Hasher } from '../hash/hash-pool.ts';
import type { ByteRange } from '../model/byte-range.ts';
import type { ChunkRun } from '../model/chunks.ts';
import type { FetchError } from '../model/error.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Peer, Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import type { RunContext } from '../system/run-context.ts';
import type { TransferLimits, TransferSettings } from './transfer-settings.ts';
import type { Transport } from './transport/transport.ts';

/** What a run does just now, for other runs that share the work. */
export interface SharedNow {
  /** The runs that it takes bytes from, and by how many hands. */
  readonly nodes: ReadonlyMap<string, number>;
  /** What it is just fetching from the source, by path. */
  readonly fetching: ReadonlyMap<string, readonly ByteRange[]>;
}

/** How a run with peers is known to others. */
export interface SharedRun {
  /** Its name: 16 hex digits. */
  readonly node: string;
  readonly tell: (now: SharedNow) => void;
}

/** Everything that executing a plan depends on. */
export interface TransferContext extends RunContext {
  readonly source: Pick<Source, 'locate' | 'reconstruct'>;
  /** Machines that are asked for bytes before the source is; none if left out. */
  readonly peers?: readonly Peer[] | undefined;
  /** Needed where there are peers. */
  readonly shared?: SharedRun | undefined;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  readonly settings: TransferSettings;
  readonly limits: TransferLimits;
  /** The shortest time that the source took for an answer, in milliseconds; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  /** Receives a function that describes what every connection is doing, in lines for people. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
  /** Called before a file is fetched because its local copy could not be used. A rejection ends the run. */
  readonly onCopyRefused?: ((file: RemoteFile) => Promise<void>) | undefined;
  /** Called for each verified file of which something came as chunks, with these, in the order of the file. */
  readonly onChunks?: ((file: RemoteFile, runs: readonly ChunkRun[]) => Promise<void>) | undefined;
}

export interface FileFailure {
  readonly path: string;
  readonly error: FetchError;
}

/** The result of a run. */
export interface RunResult {
  /** Bytes of files that came from the source and stayed. */
  readonly fetchedBytes: number;
  /** Those of them that peers sent. */
  readonly peerBytes: number;
  /** Bytes of files that were copied from this machine and stayed. */
  readonly copiedBytes: number;
  /** Bytes that the network carried for files, including what was fetched twice. */
  readonly wireBytes: number;
  /** Files that failed although the rest succeeded. */
  readonly failures: readonly FileFailure[];
}
