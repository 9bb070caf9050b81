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

/** The reading side of a store: what it holds of the Hub, without a lock. A revision whose download is unfinished is left out. */
export interface HeldRevisions {
  /** Absolute path of the directory or cache. */
  readonly root: string;
  /** The revisions of a repository, by a name in any case. Reads the records each time. */
  of(repo: RepoRef): readonly HeldRevision[];
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
