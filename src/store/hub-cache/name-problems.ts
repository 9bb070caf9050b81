import type { Revision } from '../../model/repo.ts';
import { findPathConflicts, ignoresCase } from '../paths/path-conflicts.ts';
import { checkNames, type NamePlatform, type NameProblem, nameProblem } from '../paths/safe-path.ts';
import type { CachePaths } from './cache-paths.ts';
import { unfinishedRef } from './refs.ts';

export interface NameRules {
  readonly platform: NamePlatform;
  readonly ignoresCase: boolean;
}

/** Which of these names, or the name of the revision, cannot be written to a cache. Read-only. */
export function cacheNameProblems(
  cachePaths: CachePaths,
  { name }: Revision,
  paths: readonly string[],
  rules: NameRules,
): readonly NameProblem[] {
  const caseInsensitive = ignoresCase(cachePaths.repo, rules.ignoresCase);
  const refused = checkNames(paths, rules.platform, { caseInsensitive });
  if (refused.length > 0) return refused;
  const ref = nameProblem(name, rules.platform);
  return ref === undefined ? [] : [{ path: name, reason: ref }];
}

/** Conflicts of these files in a snapshot, or of the revision among the refs. Read-only. */
export function cachePathConflicts(
  cachePaths: CachePaths,
  { id: commit, name }: Revision,
  paths: readonly string[],
): readonly NameProblem[] {
  // Users link the cache or a whole repository, never a directory inside it.
  const directories = ['blobs', 'snapshots', `snapshots/${commit}`, 'refs', 'trees'];
  const refs = name === commit ? [] : [`refs/${name}`];
  return [
    ...findPathConflicts(cachePaths.repo, [...refs, `refs/${unfinishedRef(commit)}`], directories),
    ...findPathConflicts(cachePaths.stateRoot, [], directoriesOf(`${cachePaths.statePath}/parts`)),
    ...findPathConflicts(cachePaths.stateRoot, [], [`${cachePaths.statePath}/manifests`]),
    ...findPathConflicts(cachePaths.snapshot(commit), paths, []),
  ];
}

function directoriesOf(path: string): string[] {
  const segments = path.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}
