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
import { lockHolder } from '../directory-lock.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import { HashRecords } from '../records/hash-records.ts';
import { listedFile } from '../records/lockfile.ts';
import { type Manifest, type ManifestEntry, readManifest } from '../records/manifest.ts';
import type {
  DirectoryOwner,
  OwnerMark,
  RecordedRevision,
  RecordQuery,
  Records,
} from '../records/records.ts';
import { hubMetadataPath } from './hub-metadata.ts';
import { inside, MANIFEST_FILE, OWNER_FILE, PARTS_DIRECTORY, STATE_DIRECTORY } from './layout.ts';
import { readListingRecord, recordedListing } from './listing-record.ts';

/** The records of a directory of one's own, which holds one revision. */
export class DirectoryRecords implements Records {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get manifestPath(): string {
    return inside(this.#directory, MANIFEST_FILE);
  }

  /** The manifest, of whatever revision; undefined if there is none that can be read. */
  current(): Manifest | undefined {
    return readManifest(this.manifestPath);
  }

  /** The hashes of files that we computed. */
  hashes(): HashRecords {
    return new HashRecords(inside(this.#directory, STATE_DIRECTORY));
  }

  /** The run that works here, and the path of its lock; undefined if there is none. */
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

  /** A directory has no names that others look for. */
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

  async claim(revision: Revision, endpoint: string): Promise<OwnerMark> {
    const { repo, name, id: commit } = revision;
    const path = inside(this.#directory, OWNER_FILE);
    const owner: DirectoryOwner = { endpoint, repo, revision: name, commit };
    await onDisk(path, () => writeAtomically(path, `${JSON.stringify(owner)}\n`));
    let hasFiles = false;
    return {
      keep: () => {
        hasFiles = true;
      },
      [Symbol.asyncDispose]: async () => {
        const manifest = this.manifest(commit);
        const isSaid = manifest !== undefined && isSameRepo(manifest.repo, repo);
        if (isSaid || (!hasFiles && !this.#hasParts())) await unlink(path).catch(() => {});
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

  /** Files of earlier runs for this repository that its listing does not have. Call it before `publish`. */
  staleFiles(repo: RepoRef, listing: readonly RemoteFile[]): readonly ManifestEntry[] {
    const directory = this.#directory;
    const manifest = this.current();
    if (manifest === undefined || !isSameRepo(manifest.repo, repo)) return [];
    const listed = new Set(listing.map((file) => file.path));
    const ours = [...(readListingRecord(directory)?.left ?? []), ...manifest.files];
    const stale = new Map(ours.filter((file) => !listed.has(file.path)).map((file) => [file.path, file]));
    return [...stale.values()].filter(({ path }) => {
      // Not through links of files or directories: their targets are not ours.
      if (!isLocalName(path) || findPathConflicts(directory, [path], []).length > 0) return false;
      return lstatSync(localPath(directory, path), { throwIfNoEntry: false })?.isFile() === true;
    });
  }

  /** Removes a file, its record, and the directories that are empty without it. */
  async removeFile(path: string): Promise<void> {
    const file = localPath(this.#directory, path);
    await onDisk(file, () => unlink(file));
    await removeIfThere(hubMetadataPath(this.#directory, path)).catch(() => {});
    await removeEmptyDirectories(dirname(file), this.#directory);
  }
}
