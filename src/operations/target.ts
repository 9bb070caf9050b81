import { localDirectoryName } from '../model/local-directory-name.ts';
import type { RepoRef, RepoType } from '../model/repo.ts';
import type { Target } from '../model/target.ts';
import { defaultRevision, parseTarget } from '../source/naming.ts';
import type { RevisionName } from './download/resolver.ts';

/** A repository, and a revision of it. */
export interface TargetOptions {
  /** As on the command line (`OWNER/NAME`, `OWNER/NAME@REV`, an address from a browser, …), or parsed. */
  readonly repo: string | RepoRef | Target;
  /** Branch, tag, commit or `refs/pr/N`; `main` if neither this nor `repo` names one. */
  readonly revision?: string | undefined;
  /** For a `repo` that is text and does not name its type; `model` if left out. */
  readonly repoType?: RepoType | undefined;
}

/** Throws USAGE for a name that cannot be parsed, and for two revisions that differ. */
export function targetOf({ repo, revision, repoType }: TargetOptions, endpoint: string): Target {
  if (typeof repo === 'string') return parseTarget(repo, { endpoint, revision, repoType });
  if (!('repo' in repo)) return { repo, revision, revisionOrigin: 'option', path: undefined };
  return revision === undefined ? repo : { ...repo, revision, revisionOrigin: 'option' };
}

/** The revision that a target names, else the default revision of its source. */
export function revisionNameOf({ repo, revision, revisionOrigin, quantisation }: Target): RevisionName {
  return {
    repo,
    revision: revision ?? defaultRevision(repo),
    mayBeQuantisation: revisionOrigin === 'colon',
    quantisation,
  };
}

/** `NAME`, `NAME_REV`, `NAME_Q4_K_M`: one for each thing that can be downloaded. */
export function directoryName({ repo, revision, quantisation }: Target): string {
  const parts = [revision === defaultRevision(repo) ? undefined : revision, quantisation].filter(
    (part) => part !== undefined,
  );
  return localDirectoryName(repo, parts.length === 0 ? undefined : parts.join('_'));
}
