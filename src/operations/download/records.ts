import { existsSync, readdirSync } from 'node:fs';
import type { Emit } from '../../model/event.ts';
import { isSameRepo, pinnedRevision, type Revision, repoPath } from '../../model/repo.ts';
import { isRevisionId, mayBeCommit, namesRevision, shortId } from '../../model/revision-id.ts';
import { inside, MANIFEST_FILE } from '../../store/directory/layout.ts';
import { recordedListing } from '../../store/directory/listing-record.ts';
import { CachePaths } from '../../store/hub-cache/cache-paths.ts';
import { readRef } from '../../store/hub-cache/refs.ts';
import { recordedTree } from '../../store/hub-cache/tree-record.ts';
import { listedFile } from '../../store/records/lockfile.ts';
import { readManifest } from '../../store/records/manifest.ts';
import type { StorePlace } from '../open-store.ts';
import { type Asked, choose, type Listing, notAvailableOffline, type Resolution } from './resolution.ts';
import { hasQuantisation } from './resolve-quantisation.ts';

/** A directory, or a repository in a central cache. */
type Place = Pick<StorePlace, 'directory' | 'cache' | 'repo'>;

/** Where the manifest of a commit is: that of a directory may turn out to be of another one. */
export function manifestPath({ directory, cache, repo }: Place, commit: string): string {
  return cache === undefined
    ? inside(directory, MANIFEST_FILE)
    : new CachePaths(directory, repo).manifest(commit);
}

/** What is known of a commit without asking anybody. */
export function knownListing(place: Place, commit: string): Listing {
  const { directory, cache, repo } = place;
  const recorded =
    cache === undefined
      ? recordedListing(directory, commit)
      : recordedTree(new CachePaths(directory, repo), commit);
  if (recorded !== undefined) return { files: recorded, complete: true };
  const manifest = readManifest(manifestPath(place, commit));
  const files = manifest?.commit === commit ? manifest.files : [];
  return { files: files.map(listedFile), complete: false };
}

/** Whether others find that commit in the cache by the name that was asked for. A directory has no such names. */
export function isNamed({ directory, cache, repo }: Place, { name, id: commit }: Revision): boolean {
  if (cache === undefined || name === commit) return true;
  const places = new CachePaths(directory, repo);
  return readRef(places.ref(name)) === commit;
}

/** `--offline`: what is on record here is all there is. NOT_FOUND if that is something else. */
export function resolveFromRecords(place: Place, asked: Asked, emit: Emit): Resolution {
  const found = place.cache === undefined ? inDirectory(place, asked) : inCache(place, asked);
  const { revision, known } = found;
  emit({ type: 'resolved', asked: asked.repo, revision });
  const choice = found.isQuantisation ? { ...asked, quantisation: asked.revision } : asked;
  return { revision, selected: choose(known.files, choice), listing: async () => known };
}

interface Found {
  readonly revision: Revision;
  readonly known: Listing;
  /** The request names a quantisation of this revision. */
  readonly isQuantisation: boolean;
}

function inDirectory(place: Place, asked: Asked): Found {
  const { repo, revision: name } = asked;
  const { directory } = place;
  const manifest = readManifest(inside(directory, MANIFEST_FILE));
  if (manifest === undefined) throw notAvailableOffline(`${directory} has no manifest of fetch`);
  const { commit } = manifest;
  const has = `${directory} holds ${repoPath(manifest.repo)}, ${manifest.revision} at ${shortId(commit)}`;
  if (!isSameRepo(manifest.repo, repo)) throw notAvailableOffline(has);
  const known = knownListing(place, commit);
  const isSame = manifest.revision === name || namesRevision(name, commit);
  const isQuantisation = !isSame && manifest.revision === 'main' && mayMean(asked, known);
  if (!isSame && !isQuantisation) throw notAvailableOffline(`${has}, not ${name}`);
  return {
    revision: pinnedRevision(manifest.repo, isQuantisation ? manifest.revision : name, commit),
    known,
    isQuantisation,
  };
}

/** A snapshot counts only with a record of its files: without one, completeness is unknown. */
function inCache(place: Place, asked: Asked): Found {
  const { repo, revision: name } = asked;
  const places = new CachePaths(place.directory, repo);
  const here = (commit: string | undefined): commit is string =>
    isRevisionId(commit) && existsSync(places.snapshot(commit));
  const found = (revision: string, commit: string, isQuantisation: boolean): Found => {
    const known = knownListing(place, commit);
    if (known.files.length > 0)
      return { revision: pinnedRevision(repo, revision, commit), known, isQuantisation };
    throw notAvailableOffline(`nothing in ${places.repo} says which files ${shortId(commit)} has`);
  };
  const named = readRef(places.ref(name));
  if (here(named)) return found(name, named, false);
  const commits = mayBeCommit(name) ? commitsIn(places).filter((commit) => commit.startsWith(name)) : [];
  const [only] = commits;
  if (commits.length === 1 && here(only)) return found(only, only, false);
  const main = readRef(places.ref('main'));
  if (here(main) && mayMean(asked, knownListing(place, main))) return found('main', main, true);
  throw notAvailableOffline(`${place.directory} has no snapshot of ${repoPath(repo)} at ${name}`);
}

function mayMean({ mayBeQuantisation, revision }: Asked, { files }: Listing): boolean {
  return mayBeQuantisation === true && hasQuantisation(files, revision);
}

function commitsIn(places: CachePaths): string[] {
  try {
    return readdirSync(places.snapshots);
  } catch {
    return [];
  }
}
