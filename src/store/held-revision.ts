import type { ByteRange } from '../model/byte-range.ts';
import { contentMatches } from '../model/digest.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { RepoRef } from '../model/repo.ts';
import { isLocalName, localPath } from './paths/safe-path.ts';
import type { HashRecords } from './records/hash-records.ts';
import { stampedFile } from './records/stamp.ts';

/** The local file that should have the content of a listed file. */
export interface HeldFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Of the file as it stands now. */
  readonly stamp: string;
  /** Whether fetch hashed the content and the file has not changed since. */
  readonly verified: boolean;
}

/** A revision that a store holds, wholly or in part. */
export interface HeldRevision {
  readonly repo: RepoRef;
  /** The branches, tags and other names that led to it when it was fetched. */
  readonly names: readonly string[];
  /** 40 hex digits. */
  readonly commit: string;
  /** Unix milliseconds. Of two revisions with the same name the later one counts. */
  readonly recordedMs: number;
  /** Every file of the revision, by its path; where no complete listing is on record, the files that were fetched. */
  readonly files: ReadonlyMap<string, RemoteFile>;
  /** Looks at the disk. Undefined if no regular file stands there. */
  look(file: RemoteFile): HeldFile | undefined;
}

/** A part of a file that is open for reading while a run may be writing to it. */
export interface OpenPart extends AsyncDisposable {
  /** Reads bytes at an offset; returns how many, 0 at the end. */
  read(buffer: Buffer, offset: number, length: number): Promise<number>;
  /** Whether every byte of the range that it was opened for is still what the run wrote there. Call it after `read`. */
  isUnchanged(): Promise<boolean>;
}

/** What a run does just now. */
export interface TransferNow {
  /** Runs that it takes bytes from, at first hand or by others, and by how many hands. */
  readonly nodes: ReadonlyMap<string, number>;
  /** What it is just fetching from the source, by path. */
  readonly fetching: ReadonlyMap<string, readonly ByteRange[]>;
}

/** A revision that a run is fetching, or began to fetch: `files` are those that it wants. It has no name yet. */
export interface UnfinishedRevision extends HeldRevision {
  /** Names the run. */
  readonly node: string;
  /** What the run does just now; undefined if it does not say so. Reads the disk. */
  now(): TransferNow | undefined;
  /** What is written of these files where they have no final name yet, by path. Reads the disk. */
  written(files: Iterable<RemoteFile>): ReadonlyMap<string, readonly ByteRange[]>;
  /** Opens what is written of a file. Undefined if not all of the range is. */
  openPart(file: RemoteFile, range: ByteRange): Promise<OpenPart | undefined>;
}

/** The reading side of a store: what it holds of the Hub, without a lock. A revision whose download is unfinished is left out. */
export interface HeldRevisions {
  /** Absolute path of the directory or cache. */
  readonly root: string;
  /** The revisions of a repository, by a name in any case. Reads the records each time. */
  of(repo: RepoRef): readonly HeldRevision[];
  /** The revisions of a repository whose download is unfinished. Reads the records each time. */
  unfinished(repo: RepoRef): readonly UnfinishedRevision[];
  /** The repositories that are here. */
  repos(): readonly RepoRef[];
}

/** Where a content should be, and our hashes of what was there. */
export interface RecordedName {
  /** Absolute path of the directory that the names of the records are relative to. */
  readonly root: string;
  /** Relative to `root`, with `/`. */
  readonly name: string;
  readonly hashes: HashRecords;
}

/** As `lookAt`, where the content of another revision may still stand at the name. */
export function lookForNew(file: RemoteFile, name: RecordedName): HeldFile | undefined {
  const found = lookAt(file, name);
  if (found === undefined || found.verified) return found;
  // Of another size, or known to be another content: it is no damaged file of this revision.
  const isOld = found.size !== file.size || name.hashes.find(name.name, found.stamp) !== undefined;
  return isOld ? undefined : found;
}

/** What stands at a name on record. Undefined if it is no regular file, or if the name could lead out of `root`. */
export function lookAt(file: RemoteFile, { root, name, hashes }: RecordedName): HeldFile | undefined {
  if (!isLocalName(name)) return undefined;
  const path = localPath(root, name);
  const found = stampedFile(path);
  if (found === undefined) return undefined;
  const { size, stamp } = found;
  const known = hashes.find(name, stamp);
  const verified = size === file.size && known !== undefined && contentMatches(known, file);
  return { path, size, stamp, verified };
}
