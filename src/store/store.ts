import type { ByteRange } from '../model/byte-range.ts';
import type { Holding } from '../model/plan.ts';
import type { Digest, RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';

/** What the hash of a finished file turned out to be; both are always known, because every byte was read. */
export interface ContentDigests {
  readonly sha256: string;
  readonly gitSha1: string;
}

export interface Survey {
  readonly holdings: ReadonlyMap<string, Holding>;
  /** Bytes that this user may still write where the files go. */
  readonly freeBytes: number | undefined;
}

/**
 * A file on its way. Nobody sees it under its final name before `commit`. Disposing of it without a commit
 * keeps what arrived.
 */
export interface StagedFile extends AsyncDisposable {
  /** Of the part file; writers open it themselves, so that they may live in another thread. */
  readonly partPath: string;
  /** Open for reading and writing, for writers in this thread. */
  readonly descriptor: number;
  /** What is on disk already, ascending and disjoint. */
  readonly held: readonly ByteRange[];
  /** Says that these bytes are written. They count as held by a later run once whole blocks are. */
  wrote(range: ByteRange): void;
  /** Forgets everything that was held: the next bytes start from nothing. */
  restart(): void;
  /** Makes the content durable and gives it its final name. Only after the digest matched. */
  commit(digests: ContentDigests): Promise<void>;
  /** Removes the part and its journal. */
  discard(): Promise<void>;
}

/** Where files go. Opening one takes its lock, disposing of it releases the lock. */
export interface Store extends AsyncDisposable {
  /** Absolute path of what the user gets. */
  readonly directory: string;
  /** Refuses (DISK) before the first write if one of the names cannot or must not be written here. */
  survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey>;
  /** Absolute path of the file under its final name. */
  finalPath(file: RemoteFile): string;
  stage(file: RemoteFile): Promise<StagedFile>;
  /** Records a file that stands there already and was found right. */
  adopt(file: RemoteFile, digests: ContentDigests): Promise<void>;
  /** Says that the directory now holds these files of this revision, and clears what is not needed any more. */
  publish(revision: Revision, files: readonly RemoteFile[]): Promise<void>;
}

export function digestMatches(digests: ContentDigests, expected: Digest | undefined): boolean {
  if (expected === undefined) return true;
  return (expected.algorithm === 'sha256' ? digests.sha256 : digests.gitSha1) === expected.hex;
}
