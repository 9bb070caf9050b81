import type { Revision } from '../../model/repo.ts';
import { inside, MANIFEST_FILE } from '../../store/directory/layout.ts';
import { recordedListing } from '../../store/directory/listing-record.ts';
import { CachePaths } from '../../store/hub-cache/cache-paths.ts';
import { readRef } from '../../store/hub-cache/refs.ts';
import { recordedTree } from '../../store/hub-cache/tree-record.ts';
import { listedFile } from '../../store/records/lockfile.ts';
import { readManifest } from '../../store/records/manifest.ts';
import type { StorePlace } from '../open-store.ts';
import type { Listing } from './resolver.ts';

/** A directory, or a repository in a central cache. */
export type RecordsLocation = Pick<StorePlace, 'directory' | 'cache' | 'repo'>;

/** Where the manifest of a commit is. The manifest of a directory may be that of another commit. */
export function manifestPath({ directory, cache, repo }: RecordsLocation, commit: string): string {
  return cache === undefined
    ? inside(directory, MANIFEST_FILE)
    : new CachePaths(directory, repo).manifest(commit);
}

/** The files of a commit as an earlier run recorded them. No network. */
export function readRecordedListing(location: RecordsLocation, commit: string): Listing {
  const { directory, cache, repo } = location;
  const recorded =
    cache === undefined
      ? recordedListing(directory, commit)
      : recordedTree(new CachePaths(directory, repo), commit);
  if (recorded !== undefined) return { files: recorded, complete: true };
  const manifest = readManifest(manifestPath(location, commit));
  const files = manifest?.commit === commit ? manifest.files : [];
  return { files: files.map(listedFile), complete: false };
}

/** Whether the ref of that name in the cache points to the commit. A directory has no refs: true. */
export function isNamed(
  { directory, cache, repo }: RecordsLocation,
  { name, id: commit }: Revision,
): boolean {
  if (cache === undefined || name === commit) return true;
  return readRef(new CachePaths(directory, repo).ref(name)) === commit;
}
