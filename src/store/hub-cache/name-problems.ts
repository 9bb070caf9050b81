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
  places: CachePaths,
  { name }: Revision,
  paths: readonly string[],
  habits: NameRules,
): readonly NameProblem[] {
  const caseInsensitive = ignoresCase(places.repo, habits.ignoresCase);
  const refused = checkNames(paths, habits.platform, { caseInsensitive });
  if (refused.length > 0) return refused;
  const ref = nameProblem(name, habits.platform);
  return ref === undefined ? [] : [{ path: name, reason: ref }];
}

/** Conflicts of these files in a snapshot, or of the revision among the refs. Read-only. */
export function cachePathConflicts(
  places: CachePaths,
  { id: commit, name }: Revision,
  paths: readonly string[],
): readonly NameProblem[] {
  // Users link the cache or a whole repository, never a directory inside it.
  const directories = ['blobs', 'snapshots', `snapshots/${commit}`, 'refs', 'trees'];
  const refs = name === commit ? [] : [`refs/${name}`];
  return [
    ...findPathConflicts(places.repo, [...refs, `refs/${unfinishedRef(commit)}`], directories),
    ...findPathConflicts(places.stateRoot, [], directoriesOf(`${places.statePath}/parts`)),
    ...findPathConflicts(places.stateRoot, [], [`${places.statePath}/manifests`]),
    ...findPathConflicts(places.snapshot(commit), paths, []),
  ];
}

function directoriesOf(path: string): string[] {
  const segments = path.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}
