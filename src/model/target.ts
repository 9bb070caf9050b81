import type { RepoRef, RepoType } from './repo.ts';

/** How a revision was written. Only one after a colon may be a GGUF quantisation instead. */
export type RevisionOrigin = 'default' | 'option' | 'colon' | 'at' | 'address';

/** A file or directory that an address names in a repository. */
export interface TargetPath {
  /** Relative to the root of the repository. */
  readonly path: string;
  /** `either` if only the listing of the revision tells. */
  readonly kind: 'file' | 'folder' | 'either';
}

/** What the user asked for, as far as it is known without a request. */
export interface Target {
  /** The repository. */
  readonly repo: RepoRef;
  /** Undefined if none was named: then it is `main`. */
  readonly revision: string | undefined;
  /** How `revision` was named. */
  readonly revisionOrigin: RevisionOrigin;
  /** The file or directory that an address names in addition; undefined for the whole repository. */
  readonly path: TargetPath | undefined;
  /** A GGUF quantisation after a revision: `REPO@REV:Q4_K_M`. In `REPO:Q4_K_M` it is a `colon` revision. */
  readonly quantisation?: string | undefined;
}

export interface TargetOptions {
  /** Address of the hub in use; pasted addresses must be on its host, or on huggingface.co. */
  readonly endpoint: string;
  /** Value of `--revision`. */
  readonly revision?: string | undefined;
  /** Value of `--repo-type`. */
  readonly repoType?: RepoType | undefined;
}
