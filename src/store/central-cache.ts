import type { Digest } from '../model/digest.ts';
import type { RepoRef } from '../model/repo.ts';
import type { ProcessContext } from '../system/process-identity.ts';

export interface CachedFile {
  /** As the repository names it. */
  readonly path: string;
  readonly size: number;
  /** Name of the blob; undefined if the snapshot holds the file itself. */
  readonly blob: string | undefined;
}

export interface CachedRevision {
  readonly commit: string;
  /** Branches and tags that were on this commit when they were asked for last. */
  readonly refs: readonly string[];
  /** A download of it by us is unfinished. */
  readonly unfinished: boolean;
  /** Absolute path of the snapshot. */
  readonly path: string;
  readonly files: readonly CachedFile[];
  /** Each content once. */
  readonly bytes: number;
  /** Names that lead to nothing, or to something that is none of the repository's blobs. */
  readonly broken: readonly string[];
}

export interface CachedRepo {
  readonly repo: RepoRef;
  readonly path: string;
  readonly revisions: readonly CachedRevision[];
  /** Each content once, also those that several revisions have. */
  readonly bytes: number;
  /** Our own unfinished files. */
  readonly partBytes: number;
  /** Refs that lead to no snapshot. */
  readonly danglingRefs: readonly string[];
}

/** A content of the cache, and what it must hash to. */
export interface CachedContent {
  /** Path of the blob, or of the file in the snapshot if there is no blob; relative to the repository's directory. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  /** Undefined where neither a name nor a record says it. */
  readonly digest: Digest | undefined;
  /** Files of snapshots that have this content, as `commit/path`. */
  readonly used: readonly string[];
}

export interface CachedContents {
  readonly contents: readonly CachedContent[];
  /** Broken links of snapshots, relative to the repository's directory. */
  readonly broken: readonly string[];
}

/** The central cache of the Hub's own clients, looked after as a whole. `repos`, `repo` and `contents` only look. */
export interface CentralCache {
  /** Everything that is laid out like a repository, by name. */
  repos(): readonly CachedRepo[];
  /** One repository; without revisions and files if the cache does not have it. */
  repo(repo: RepoRef): CachedRepo;
  /** Every content of these revisions, once. */
  contents(repo: RepoRef, revisions: readonly CachedRevision[]): CachedContents;
  /**
   * Removes revisions of a repository. Throws LOCKED while a run of ours downloads some of it. Returns the names of unfinished
   * files of other programs, which stay.
   */
  remove(repo: RepoRef, commits: ReadonlySet<string>, lock: ProcessContext): Promise<readonly string[]>;
}

/** What is going to be removed of a repository. */
export interface Removal {
  readonly revisions: readonly CachedRevision[];
  /** Blobs that no other snapshot uses. */
  readonly blobs: readonly string[];
  /** Bytes that will be free. */
  readonly bytes: number;
  /** Nothing stays of the repository, our unfinished files neither. */
  readonly whole: boolean;
}

export function planRemoval(found: CachedRepo, commits: ReadonlySet<string>): Removal {
  const revisions = found.revisions.filter(({ commit }) => commits.has(commit));
  const others = found.revisions.filter(({ commit }) => !commits.has(commit));
  const kept = new Set(others.flatMap(({ files }) => files.map(({ blob }) => blob)));
  const sizes = new Map<string, number>();
  let bytes = 0;
  for (const { blob, size } of revisions.flatMap(({ files }) => files)) {
    if (blob === undefined) bytes += size;
    else if (!kept.has(blob)) sizes.set(blob, size);
  }
  const whole = others.length === 0;
  for (const size of sizes.values()) bytes += size;
  return { revisions, blobs: [...sizes.keys()], bytes: bytes + (whole ? found.partBytes : 0), whole };
}
