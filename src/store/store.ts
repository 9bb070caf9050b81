import type { ByteRange } from '../model/byte-range.ts';
import type { ContentDigests } from '../model/digest.ts';
import type { IntervalSet } from '../model/interval-set.ts';
import type { Holding } from '../model/plan.ts';
import type { Listing, RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';

export interface Survey {
  readonly holdings: ReadonlyMap<string, Holding>;
  /** Bytes that this user may still write where the files go. */
  readonly freeBytes: number | undefined;
}

/**
 * A file in transfer. It gets its final name only by `commit`. Disposing of it without a commit
 * keeps what arrived.
 */
export interface StagedFile extends AsyncDisposable {
  /** Of the part file; writers open it themselves, so that they may live in another thread. */
  readonly partPath: string;
  /** Open for reading and writing, for writers in this thread. */
  readonly descriptor: number;
  /** What is on disk: what an earlier run left, and every completed write since. Only for reading. */
  readonly received: IntervalSet;
  /**
   * Says that these bytes are written, and returns how many of them are new. They count as held by a
   * later run once whole blocks are. Once the file is committed, discarded or disposed of, nothing is new.
   */
  wrote(range: ByteRange): number;
  /** Forgets everything that was held: the next bytes start from nothing. */
  restart(): void;
  /** Makes the content durable and gives it its final name. Only after the digest matched. */
  commit(digests: ContentDigests): Promise<void>;
  /** Removes the part and its journal. */
  discard(): Promise<void>;
}

/** What a run has brought. */
export interface Publication {
  readonly revision: Revision;
  /** The files of this run that are in the store. */
  readonly files: readonly RemoteFile[];
  /** The files of the revision. */
  readonly listing: Listing;
  /** Whether the run brought all that was asked for. */
  readonly complete: boolean;
}

/**
 * Where files go. Before `open` nothing is written: `refuseNames` and `survey` only look. `open` may refuse names as well,
 * once it can try out what the file system does with them.
 * `open` takes the directory lock (throws LOCKED if another run holds it); disposing releases it.
 */
export interface Store extends AsyncDisposable {
  /** Absolute path of what the user gets. */
  readonly directory: string;
  /** Throws DISK, naming them, if names cannot or must not be written here or would leave the directory. */
  refuseNames(files: readonly RemoteFile[], signal?: AbortSignal): Promise<void>;
  /** `signal` ends every longer work on the disk until the store is disposed of. */
  open(signal?: AbortSignal): Promise<void>;
  survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey>;
  /** Absolute path of the file under its final name. */
  finalPath(file: RemoteFile): string;
  /** Where the content can be read that the survey calls a candidate. It may not bear its final name yet. */
  candidatePath(file: RemoteFile): string;
  stage(file: RemoteFile): Promise<StagedFile>;
  /** Records a candidate that was found right, and gives it its final name if it has another. */
  adopt(file: RemoteFile, digests: ContentDigests): Promise<void>;
  /** Records what the store now holds: these files, and older ones that the revision still has unchanged. */
  publish(publication: Publication): Promise<void>;
}
