import { readdirSync, statSync } from 'node:fs';
import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../../model/repo.ts';
import type { CachedFile, CachedRevision } from '../central-cache.ts';
import {
  type HeldFile,
  type HeldRevision,
  type HeldRevisions,
  lookAt,
  lookForNew,
  type UnfinishedRevision,
} from '../held-revision.ts';
import { HashRecords } from '../records/hash-records.ts';
import { manifestFiles, readManifest } from '../records/manifest.ts';
import { readTransfer } from '../records/transfer-record.ts';
import { unfinishedRevision } from '../records/unfinished.ts';
import { CachePaths, TRANSFER_PREFIX } from './cache-paths.ts';
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

  unfinished(repo: RepoRef): readonly UnfinishedRevision[] {
    return this.repos()
      .filter((one) => isSameRepo(one, repo))
      .flatMap((one) => unfinishedIn(new CachePaths(this.root, one), one));
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

/** What runs of fetch have begun to fetch into a repository of the cache. */
function unfinishedIn(paths: CachePaths, repo: RepoRef): UnfinishedRevision[] {
  const hashes = new HashRecords(paths.state);
  return transfersIn(paths).flatMap((commit) => {
    const record = readTransfer(paths.transfer(commit).record);
    if (record?.commit !== commit) return [];
    const look = (file: RemoteFile): HeldFile | undefined => {
      const blob = file.digest === undefined ? [] : [`blobs/${file.digest.hex}`];
      // Where links do not work, the snapshot has the content itself.
      for (const name of [...blob, `snapshots/${commit}/${file.path}`]) {
        const found = lookForNew(file, { root: paths.repo, name, hashes });
        if (found !== undefined) return found;
      }
      return undefined;
    };
    return [unfinishedRevision(record, { repo, paths: paths.transfer(commit), parts: paths.parts, look })];
  });
}

/** The commits that have a record of a run. */
function transfersIn(paths: CachePaths): string[] {
  try {
    return readdirSync(paths.state).flatMap((name) => {
      const isRecord = name.startsWith(TRANSFER_PREFIX) && name.endsWith('.json');
      return isRecord ? [name.slice(TRANSFER_PREFIX.length, -'.json'.length)] : [];
    });
  } catch {
    return [];
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
