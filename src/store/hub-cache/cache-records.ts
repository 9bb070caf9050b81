import { existsSync, readdirSync } from 'node:fs';
import { findQuantisation } from '../../model/find-quantisation.ts';
import type { Listing } from '../../model/remote-file.ts';
import { pinnedRevision, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { isRevisionId, mayBeCommit, shortId } from '../../model/revision-id.ts';
import type { ContentIndex } from '../content-index.ts';
import { HashRecords } from '../records/hash-records.ts';
import { listedFile } from '../records/lockfile.ts';
import { type Manifest, readManifest } from '../records/manifest.ts';
import { RecordedContents } from '../records/recorded-contents.ts';
import type { Claim, OwnerMark, RecordedRevision, RecordQuery, Records } from '../records/records.ts';
import { TransferMark } from '../records/transfer-record.ts';
import { CachePaths } from './cache-paths.ts';
import { readRef } from './refs.ts';
import { blobFile } from './snapshot-entry.ts';
import { readTreeListing } from './tree-listing.ts';

/** The records of one repository in a central cache. It holds any number of revisions. */
export class CacheRecords implements Records {
  readonly #cache: string;
  readonly #repo: RepoRef;

  /** `repo` is the name that the user gave: the cache keeps that one after a rename. */
  constructor(cache: string, repo: RepoRef) {
    this.#cache = cache;
    this.#repo = repo;
  }

  /** Throws DISK if no directory of the cache can have the name of the repository. */
  get #paths(): CachePaths {
    return new CachePaths(this.#cache, this.#repo);
  }

  manifest(commit: string): Manifest | undefined {
    const manifest = readManifest(this.#paths.manifest(commit));
    return manifest?.commit === commit ? manifest : undefined;
  }

  listing(commit: string): Listing {
    const recorded = readTreeListing(this.#paths.tree(commit));
    if (recorded !== undefined) return { files: recorded, complete: true };
    return { files: (this.manifest(commit)?.files ?? []).map(listedFile), complete: false };
  }

  contents(): ContentIndex {
    const paths = this.#paths;
    return new RecordedContents({
      root: paths.repo,
      records: new HashRecords(paths.state),
      parts: paths.parts,
      entries: () => [],
      candidates: ({ digest }) =>
        digest !== undefined && blobFile(paths, digest.hex) !== undefined ? [`blobs/${digest.hex}`] : [],
    });
  }

  isNamed({ name, id: commit }: Revision): boolean {
    return name === commit || readRef(this.#paths.ref(name)) === commit;
  }

  /** Ignores a snapshot without a listing or manifest: it may be incomplete. */
  find({ revision: name, mayBeQuantisation }: RecordQuery): RecordedRevision {
    const paths = this.#paths;
    const named = readRef(paths.ref(name));
    if (isHere(paths, named)) return this.#found(name, named);
    const commits = mayBeCommit(name) ? commitsIn(paths).filter((commit) => commit.startsWith(name)) : [];
    const [only] = commits;
    if (commits.length === 1 && isHere(paths, only)) return this.#found(only, only);
    const main = readRef(paths.ref('main'));
    if (mayBeQuantisation === true && isHere(paths, main)) {
      const { matches } = findQuantisation(this.listing(main).files, name);
      if (matches.length > 0) return this.#found('main', main, true);
    }
    return { missing: `${this.#cache} has no snapshot of ${repoPath(this.#repo)} at ${name}` };
  }

  #found(name: string, commit: string, isQuantisation = false): RecordedRevision {
    const listing = this.listing(commit);
    if (listing.files.length > 0)
      return { revision: pinnedRevision(this.#repo, name, commit), listing, isQuantisation };
    return { missing: `nothing in ${this.#paths.repo} says which files ${shortId(commit)} has` };
  }

  /** A cache holds many repositories. */
  owner(): undefined {
    return undefined;
  }

  async claim(revision: Revision, { node, files }: Claim): Promise<OwnerMark> {
    const mark = new TransferMark(this.#paths.transfer(revision.id), node, revision, files);
    let hasFiles = false;
    return {
      keep: () => {
        hasFiles = true;
      },
      tell: (now) => mark.tell(now),
      [Symbol.asyncDispose]: async () => {
        mark.end();
        const isSaid = this.manifest(revision.id) !== undefined;
        if (isSaid || (!hasFiles && namesIn(this.#paths.parts).length === 0)) mark.remove();
      },
    };
  }
}

function isHere(paths: CachePaths, commit: string | undefined): commit is string {
  return isRevisionId(commit) && existsSync(paths.snapshot(commit));
}

function commitsIn(paths: CachePaths): string[] {
  return namesIn(paths.snapshots);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
