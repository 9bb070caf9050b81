import type { RepoRef, RepoType } from './repo.ts';

/** How a revision came to be named. Only one behind a colon may turn out to be a GGUF quantisation. */
export type RevisionOrigin = 'default' | 'option' | 'colon' | 'at' | 'address';

/** A file or folder that the address of a repository went on to name. */
export interface TargetPath {
  /** Relative to the root of the repository. */
  readonly path: string;
  /** `either` where the form does not tell: only the listing of the revision does. */
  readonly kind: 'file' | 'folder' | 'either';
}

/** What the user asked for, as far as it can be known without asking a hub. */
export interface Target {
  /** The repository. */
  readonly repo: RepoRef;
  /** Undefined when nobody named one; then it is `main`. */
  readonly revision: string | undefined;
  /** How `revision` was named. */
  readonly revisionOrigin: RevisionOrigin;
  /** The file or folder that an address went on to name; undefined for the whole repository. */
  readonly path: TargetPath | undefined;
  /** A GGUF quantisation behind a revision: `REPO@REV:Q4_K_M`. One behind the repository alone is a `colon` revision. */
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
