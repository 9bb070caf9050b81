import { statSync } from 'node:fs';
import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../../model/repo.ts';
import type { CachedFile, CachedRevision } from '../central-cache.ts';
import { type HeldRevision, type HeldRevisions, lookAt } from '../held-revision.ts';
import { HashRecords } from '../records/hash-records.ts';
import { manifestFiles, readManifest } from '../records/manifest.ts';
import { CachePaths } from './cache-paths.ts';
import { reposIn, scanRepo } from './scan-cache.ts';
import { readTreeListing } from './tree-listing.ts';

/** What a central cache holds: the snapshots that are complete. */
export class CacheRevisions implements HeldRevisions {
  readonly root: string;

  constructor(cache: string) {
    this.root = cache;
  }

  repos(): readonly RepoRef[] {
    return reposIn(this.root);
  }

  of(repo: RepoRef): readonly HeldRevision[] {
    return this.repos()
      .filter((one) => isSameRepo(one, repo))
      .flatMap((one) => this.#revisions(one));
  }

  #revisions(repo: RepoRef): HeldRevision[] {
    const paths = new CachePaths(this.root, repo);
    const hashes = new HashRecords(paths.state);
    return scanRepo(paths, repo).revisions.flatMap((found) => {
      const files = filesOf(paths, found);
      if (files === undefined) return [];
      const { commit, refs, path: snapshot } = found;
      const names = new Map(found.files.map((file) => [file.path, contentName(commit, file)]));
      const held: HeldRevision = {
        repo,
        names: refs,
        commit,
        recordedMs: statSync(snapshot, { throwIfNoEntry: false })?.mtimeMs ?? 0,
        files,
        look: (file) => {
          const name = names.get(file.path);
          return name === undefined ? undefined : lookAt(file, { root: paths.repo, name, hashes });
        },
      };
      return [held];
    });
  }
}

/** As our hash records name a content. */
function contentName(commit: string, { blob, path }: CachedFile): string {
  return blob === undefined ? `snapshots/${commit}/${path}` : `blobs/${blob}`;
}

/** The files of a snapshot that a run of fetch finished, or that has every file of its listing; undefined for any other. */
function filesOf(
  paths: CachePaths,
  { commit, files, unfinished }: CachedRevision,
): ReadonlyMap<string, RemoteFile> | undefined {
  const listing = readTreeListing(paths.tree(commit));
  const manifest = readManifest(paths.manifest(commit));
  if (manifest?.commit === commit) {
    const entries = manifestFiles(manifest);
    return listing === undefined
      ? entries
      : new Map(listing.map((file) => [file.path, { ...file, ...entries.get(file.path) }]));
  }
  if (unfinished || listing === undefined) return undefined;
  const here = new Map(files.map((file) => [file.path, file]));
  return listing.every((file) => isHere(here.get(file.path), file))
    ? new Map(listing.map((file) => [file.path, file]))
    : undefined;
}

/** Other programs name a blob by its digest. Whether the content has it, only hashing tells. */
function isHere(found: CachedFile | undefined, { size, digest }: RemoteFile): boolean {
  if (found?.size !== size) return false;
  return found.blob === undefined || digestOfOid(found.blob)?.hex === digest?.hex;
}
