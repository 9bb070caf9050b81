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

/** A file in transfer. Only `commit` gives it its final name. Disposing of it without a commit keeps what arrived. */
export interface StagedFile extends AsyncDisposable {
  /** Path of the part file. Writers in other threads open it themselves. */
  readonly partPath: string;
  /** Open for reading and writing, for writers in this thread. */
  readonly descriptor: number;
  /** The ranges on disk, from earlier runs and from this one. Do not change it. */
  readonly received: IntervalSet;
  /**
   * Records that these bytes are written, and returns how many of them are new. A later run finds them once whole blocks
   * are complete. Returns 0 after the file is committed, discarded or disposed of.
   */
  wrote(range: ByteRange): number;
  /** Discards what was received: these ranges, or everything. */
  restart(ranges?: readonly ByteRange[]): void;
  /** Makes the content durable and gives it its final name. Call it only after the digest matched. */
  commit(digests: ContentDigests): Promise<void>;
  /** Removes the part and its journal. */
  discard(): Promise<void>;
}

/** The result of a run. */
export interface Publication {
  readonly revision: Revision;
  /** The files of this run that are complete and verified. */
  readonly files: readonly RemoteFile[];
  /** The files of the revision. */
  readonly listing: Listing;
  /** Whether every selected file is complete. */
  readonly complete: boolean;
}

/**
 * Where files are stored. `refuseNames` and `survey` are read-only, and may be called before `open`. `open` takes the
 * directory lock (throws LOCKED if another run holds it) and may refuse further names, once it can test what the file
 * system does with them. Disposing releases the lock.
 */
export interface Store extends AsyncDisposable {
  /** Absolute path of what the user gets. */
  readonly directory: string;
  /** Throws DISK with the names that cannot or must not be written here. */
  refuseNames(files: readonly RemoteFile[], signal?: AbortSignal): Promise<void>;
  /** `signal` aborts all longer disk work until the store is disposed of. */
  open(signal?: AbortSignal): Promise<void>;
  survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey>;
  /** Absolute path of the file under its final name. */
  finalPath(file: RemoteFile): string;
  /** Path of the content of a candidate. It may not have its final name yet. */
  candidatePath(file: RemoteFile): string;
  stage(file: RemoteFile): Promise<StagedFile>;
  /** Records a verified candidate, and gives it its final name. */
  adopt(file: RemoteFile, digests: ContentDigests): Promise<void>;
  /** Records what the store now holds: these files, and older ones that the revision still has unchanged. */
  publish(publication: Publication): Promise<void>;
}
