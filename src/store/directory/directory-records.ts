import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findQuantisation } from '../../model/find-quantisation.ts';
import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, pinnedRevision, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { namesRevision, shortId } from '../../model/revision-id.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import { removeEmptyDirectories } from '../../system/disk/remove-empty-directories.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import type { ContentIndex } from '../content-index.ts';
import { lockHolder } from '../directory-lock.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import { HashRecords } from '../records/hash-records.ts';
import { listedFile } from '../records/lockfile.ts';
import { type Manifest, type ManifestEntry, readManifest } from '../records/manifest.ts';
import { RecordedContents } from '../records/recorded-contents.ts';
import type {
  Claim,
  DirectoryOwner,
  OwnerMark,
  RecordedRevision,
  RecordQuery,
  Records,
} from '../records/records.ts';
import { TransferMark, type TransferPaths } from '../records/transfer-record.ts';
import { hubMetadataPath, readHubMetadata } from './hub-metadata.ts';
import {
  inside,
  MANIFEST_FILE,
  OWNER_FILE,
  PARTS_DIRECTORY,
  STATE_DIRECTORY,
  TRANSFER_FILE,
  TRANSFER_NOW_FILE,
} from './layout.ts';
import { readListingRecord, recordedListing } from './listing-record.ts';

/** The records of a model directory. It holds one revision. */
export class DirectoryRecords implements Records {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get manifestPath(): string {
    return inside(this.#directory, MANIFEST_FILE);
  }

  /** The manifest of the current revision; undefined if there is none, or none that this version can read. */
  current(): Manifest | undefined {
    return readManifest(this.manifestPath);
  }

  /** The hashes that earlier runs computed. */
  hashes(): HashRecords {
    return new HashRecords(inside(this.#directory, STATE_DIRECTORY));
  }

  contents(): ContentIndex {
    return new RecordedContents({
      root: this.#directory,
      records: this.hashes(),
      parts: inside(this.#directory, PARTS_DIRECTORY),
      entries: () => this.current()?.files ?? [],
      // `hf download` writes one record per file and no manifest.
      candidates: ({ path, digest }) =>
        isLocalName(path) && readHubMetadata(this.#directory, path)?.etag === digest?.hex ? [path] : [],
    });
  }

  /** The run that holds the directory lock, and the path of the lock; undefined if there is none. */
  lockHolder(context: ProcessContext): { readonly holder: string; readonly path: string } | undefined {
    const path = inside(this.#directory, `${STATE_DIRECTORY}/lock`);
    const holder = lockHolder(path, context);
    return holder === undefined ? undefined : { holder, path };
  }

  manifest(commit: string): Manifest | undefined {
    const manifest = this.current();
    return manifest?.commit === commit ? manifest : undefined;
  }

  listing(commit: string): Listing {
    const recorded = recordedListing(this.#directory, commit);
    if (recorded !== undefined) return { files: recorded, complete: true };
    return { files: (this.manifest(commit)?.files ?? []).map(listedFile), complete: false };
  }

  /** A directory has no refs. */
  isNamed(): boolean {
    return true;
  }

  find({ repo, revision: name, mayBeQuantisation }: RecordQuery): RecordedRevision {
    const manifest = this.current();
    if (manifest === undefined) return { missing: `${this.#directory} has no manifest of fetch` };
    const { commit } = manifest;
    const has = `${this.#directory} holds ${repoPath(manifest.repo)}, ${manifest.revision} at ${shortId(commit)}`;
    if (!isSameRepo(manifest.repo, repo)) return { missing: has };
    const listing = this.listing(commit);
    if (manifest.revision === name || namesRevision(name, commit)) {
      return { revision: pinnedRevision(manifest.repo, name, commit), listing, isQuantisation: false };
    }
    const isQuantisation =
      mayBeQuantisation === true &&
      manifest.revision === 'main' &&
      findQuantisation(listing.files, name).matches.length > 0;
    if (!isQuantisation) return { missing: `${has}, not ${name}` };
    return { revision: pinnedRevision(manifest.repo, 'main', commit), listing, isQuantisation };
  }

  owner(): DirectoryOwner | undefined {
    return this.current() ?? this.#markedOwner();
  }

  /** What a run that is fetching records. */
  get transferPaths(): TransferPaths {
    const [record, now] = [
      inside(this.#directory, TRANSFER_FILE),
      inside(this.#directory, TRANSFER_NOW_FILE),
    ];
    return { record, now };
  }

  async claim(revision: Revision, { endpoint, node, files }: Claim): Promise<OwnerMark> {
    const { repo, name, id: commit } = revision;
    const path = inside(this.#directory, OWNER_FILE);
    const owner: DirectoryOwner = { endpoint, repo, revision: name, commit };
    await onDisk(path, () => writeAtomically(path, `${JSON.stringify(owner)}\n`));
    let hasFiles = false;
    const mark = new TransferMark(this.transferPaths, node, revision, files);
    return {
      keep: () => {
        hasFiles = true;
      },
      tell: (now) => mark.tell(now),
      [Symbol.asyncDispose]: async () => {
        const manifest = this.manifest(commit);
        const isSaid = manifest !== undefined && isSameRepo(manifest.repo, repo);
        mark.end();
        if (!isSaid && (hasFiles || this.#hasParts())) return;
        mark.remove();
        await unlink(path).catch(() => {});
      },
    };
  }

  #markedOwner(): DirectoryOwner | undefined {
    try {
      const { endpoint, repo, revision, commit } = JSON.parse(
        readFileSync(inside(this.#directory, OWNER_FILE), 'utf8'),
      );
      const texts = [endpoint, repo.type, repo.id, repo.source ?? '', revision, commit];
      return texts.every((text) => typeof text === 'string')
        ? { endpoint, repo, revision, commit }
        : undefined;
    } catch {
      return undefined;
    }
  }

  #hasParts(): boolean {
    try {
      return readdirSync(inside(this.#directory, PARTS_DIRECTORY)).length > 0;
    } catch {
      return false;
    }
  }

  /**
   * Files that earlier runs fetched from this repository and that the listing does not have. Call it before `publish`,
   * which replaces the records.
   */
  staleFiles(repo: RepoRef, listing: readonly RemoteFile[]): readonly ManifestEntry[] {
    const directory = this.#directory;
    const manifest = this.current();
    if (manifest === undefined || !isSameRepo(manifest.repo, repo)) return [];
    const listed = new Set(listing.map((file) => file.path));
    const ours = [...(readListingRecord(directory)?.left ?? []), ...manifest.files];
    const stale = new Map(ours.filter((file) => !listed.has(file.path)).map((file) => [file.path, file]));
    return [...stale.values()].filter(({ path }) => {
      // Skips links: what they point to is not ours.
      if (!isLocalName(path) || findPathConflicts(directory, [path], []).length > 0) return false;
      return lstatSync(localPath(directory, path), { throwIfNoEntry: false })?.isFile() === true;
    });
  }

  /** Removes a file and its record, and the directories that become empty. */
  async removeFile(path: string): Promise<void> {
    const file = localPath(this.#directory, path);
    await onDisk(file, () => unlink(file));
    await removeIfThere(hubMetadataPath(this.#directory, path)).catch(() => {});
    await removeEmptyDirectories(dirname(file), this.#directory);
  }
}
