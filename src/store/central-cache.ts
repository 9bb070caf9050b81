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
  /** Branches and tags that pointed to this commit when they were last resolved. */
  readonly refs: readonly string[];
  /** Whether a download of it by fetch is unfinished. */
  readonly unfinished: boolean;
  /** Absolute path of the snapshot. */
  readonly path: string;
  readonly files: readonly CachedFile[];
  /** Bytes, each content counted once. */
  readonly bytes: number;
  /** Names that are broken links, or links to something that is no blob of the repository. */
  readonly broken: readonly string[];
}

export interface CachedRepo {
  readonly repo: RepoRef;
  readonly path: string;
  readonly revisions: readonly CachedRevision[];
  /** Bytes, each content counted once even if several revisions have it. */
  readonly bytes: number;
  /** Bytes of unfinished files of fetch. */
  readonly partBytes: number;
  /** Refs without a snapshot. */
  readonly danglingRefs: readonly string[];
}

/** A content of the cache and its expected digest. */
export interface CachedContent {
  /** Path of the blob, or of the file in the snapshot if there is no blob; relative to the repository's directory. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  /** Undefined if neither the name nor a record has it. */
  readonly digest: Digest | undefined;
  /** Files of snapshots that have this content, as `commit/path`. */
  readonly used: readonly string[];
}

export interface CachedContents {
  readonly contents: readonly CachedContent[];
  /** Broken links of snapshots, relative to the repository's directory. */
  readonly broken: readonly string[];
}

/** Manages the central cache of the Hub's own clients. `repos`, `repo` and `contents` are read-only. */
export interface CentralCache {
  /** Every directory with the layout of a repository, sorted by name. */
  repos(): readonly CachedRepo[];
  /** One repository; without revisions and files if the cache does not have it. */
  repo(repo: RepoRef): CachedRepo;
  /** Every content of these revisions, each once. */
  contents(repo: RepoRef, revisions: readonly CachedRevision[]): CachedContents;
  /**
   * Removes revisions of a repository. Throws LOCKED while a run of fetch downloads into it. Returns the names of
   * unfinished files of other programs, which are not removed.
   */
  remove(repo: RepoRef, commits: ReadonlySet<string>, lock: ProcessContext): Promise<readonly string[]>;
}

/** What a removal deletes from a repository. */
export interface Removal {
  readonly revisions: readonly CachedRevision[];
  /** Blobs that no other snapshot uses. */
  readonly blobs: readonly string[];
  /** Bytes that the removal frees. */
  readonly bytes: number;
  /** Whether the whole repository is removed, with its unfinished files. */
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
