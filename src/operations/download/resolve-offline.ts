import { existsSync, readdirSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import { isSameRepo, pinnedRevision, type Revision, repoPath } from '../../model/repo.ts';
import { isRevisionId, mayBeCommit, namesRevision, shortId } from '../../model/revision-id.ts';
import { inside, MANIFEST_FILE } from '../../store/directory/layout.ts';
import { CachePaths } from '../../store/hub-cache/cache-paths.ts';
import { readRef } from '../../store/hub-cache/refs.ts';
import { readManifest } from '../../store/records/manifest.ts';
import { type RecordsLocation, readRecordedListing } from './records.ts';
import { hasQuantisation } from './resolve-quantisation.ts';
import {
  type Listing,
  type Resolution,
  type ResolveContext,
  type Resolver,
  type RevisionRequest,
  selectFromListing,
} from './resolver.ts';

/** `--offline`: finds the revision among what earlier runs recorded. NOT_FOUND if it is not recorded. */
export class OfflineResolver implements Resolver {
  readonly #location: RecordsLocation;
  readonly #request: RevisionRequest;

  constructor(location: RecordsLocation, request: RevisionRequest) {
    this.#location = location;
    this.#request = request;
  }

  async resolve({ run }: ResolveContext): Promise<Resolution> {
    const request = this.#request;
    const found =
      this.#location.cache === undefined
        ? findInDirectory(this.#location, request)
        : findInCache(this.#location, request);
    const { revision, listing, isQuantisation } = found;
    run.emit({ type: 'resolved', asked: request.repo, revision });
    const selection = isQuantisation ? { ...request, quantisation: request.revision } : request;
    return {
      revision,
      selected: selectFromListing(listing.files, selection),
      listing: async () => listing,
    };
  }
}

interface RecordedRevision {
  readonly revision: Revision;
  readonly listing: Listing;
  /** The request names a quantisation of this revision. */
  readonly isQuantisation: boolean;
}

function findInDirectory(location: RecordsLocation, request: RevisionRequest): RecordedRevision {
  const { repo, revision: name } = request;
  const { directory } = location;
  const manifest = readManifest(inside(directory, MANIFEST_FILE));
  if (manifest === undefined) throw notAvailableOffline(`${directory} has no manifest of fetch`);
  const { commit } = manifest;
  const has = `${directory} holds ${repoPath(manifest.repo)}, ${manifest.revision} at ${shortId(commit)}`;
  if (!isSameRepo(manifest.repo, repo)) throw notAvailableOffline(has);
  const listing = readRecordedListing(location, commit);
  const isSame = manifest.revision === name || namesRevision(name, commit);
  const isQuantisation = !isSame && manifest.revision === 'main' && mayMean(request, listing);
  if (!isSame && !isQuantisation) throw notAvailableOffline(`${has}, not ${name}`);
  return {
    revision: pinnedRevision(manifest.repo, isQuantisation ? manifest.revision : name, commit),
    listing,
    isQuantisation,
  };
}

/** A snapshot counts only with a record of its files: without one, completeness is unknown. */
function findInCache(location: RecordsLocation, request: RevisionRequest): RecordedRevision {
  const { repo, revision: name } = request;
  const paths = new CachePaths(location.directory, repo);
  const isHere = (commit: string | undefined): commit is string =>
    isRevisionId(commit) && existsSync(paths.snapshot(commit));
  const recorded = (revision: string, commit: string, isQuantisation: boolean): RecordedRevision => {
    const listing = readRecordedListing(location, commit);
    if (listing.files.length > 0)
      return { revision: pinnedRevision(repo, revision, commit), listing, isQuantisation };
    throw notAvailableOffline(`nothing in ${paths.repo} says which files ${shortId(commit)} has`);
  };
  const named = readRef(paths.ref(name));
  if (isHere(named)) return recorded(name, named, false);
  const commits = mayBeCommit(name) ? commitsIn(paths).filter((commit) => commit.startsWith(name)) : [];
  const [only] = commits;
  if (commits.length === 1 && isHere(only)) return recorded(only, only, false);
  const main = readRef(paths.ref('main'));
  if (isHere(main) && mayMean(request, readRecordedListing(location, main)))
    return recorded('main', main, true);
  throw notAvailableOffline(`${location.directory} has no snapshot of ${repoPath(repo)} at ${name}`);
}

function mayMean({ mayBeQuantisation, revision }: RevisionRequest, { files }: Listing): boolean {
  return mayBeQuantisation === true && hasQuantisation(files, revision);
}

function commitsIn(paths: CachePaths): string[] {
  try {
    return readdirSync(paths.snapshots);
  } catch {
    return [];
  }
}

const MAX_SHOWN = 10;

/** The error of an offline run that would have to fetch files. */
export function missingOffline(plan: Plan, directory: string): FetchError {
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file.path);
  const more = missing.length > MAX_SHOWN ? `, and ${missing.length - MAX_SHOWN} more` : '';
  return notAvailableOffline(`${directory} lacks ${missing.slice(0, MAX_SHOWN).join(', ')}${more}`);
}

function notAvailableOffline(what: string): FetchError {
  return new FetchError('NOT_FOUND', `offline, and ${what}`, {
    hint: 'Run the same command once with the network: without --offline, HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.',
  });
}
