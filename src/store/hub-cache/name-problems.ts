import type { Revision } from '../../model/repo.ts';
import { findObstacles, ignoresCase } from '../obstacles.ts';
import { checkNames, type NamePlatform, type NameProblem, nameProblem } from '../safe-path.ts';
import type { CachePlaces } from './cache-places.ts';
import { unfinishedRef } from './refs.ts';

export interface CacheHabits {
  readonly platform: NamePlatform;
  readonly ignoresCase: boolean;
}

/** Which of these names, or that of the revision, cannot be written to a cache. Only looks. */
export function cacheNameProblems(
  places: CachePlaces,
  { name }: Revision,
  paths: readonly string[],
  habits: CacheHabits,
): readonly NameProblem[] {
  const caseInsensitive = ignoresCase(places.repo, habits.ignoresCase);
  const refused = checkNames(paths, habits.platform, { caseInsensitive });
  if (refused.length > 0) return refused;
  const ref = nameProblem(name, habits.platform);
  return ref === undefined ? [] : [{ path: name, reason: ref }];
}

/** What stands in the way of these files in a snapshot, or of the revision among the refs. Only looks. */
export function cacheObstacles(
  places: CachePlaces,
  { commit, name }: Revision,
  paths: readonly string[],
): readonly NameProblem[] {
  // What was linked on purpose is the cache, or one repository; nothing below it.
  const folders = ['blobs', 'snapshots', `snapshots/${commit}`, 'refs', 'trees'];
  const refs = name === commit ? [] : [`refs/${name}`];
  return [
    ...findObstacles(places.repo, [...refs, `refs/${unfinishedRef(commit)}`], folders),
    ...findObstacles(places.stateRoot, [], foldersOf(`${places.stateFolder}/parts`)),
    ...findObstacles(places.stateRoot, [], [`${places.stateFolder}/manifests`]),
    ...findObstacles(places.snapshot(commit), paths, []),
  ];
}

function foldersOf(path: string): string[] {
  const segments = path.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}
