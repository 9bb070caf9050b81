import { lstatSync, readFileSync } from 'node:fs';
import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type Revision } from '../../model/repo.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import { type ManifestEntry, readManifest } from '../records/manifest.ts';
import { inside, LISTING_FILE, MANIFEST_FILE } from './layout.ts';

/**
 * What a manifest does not say: every file that the revision has, also those that were not asked for, and files
 * of ours that stayed behind when the revision lost them. A state file of our own, of no other format.
 */
export interface ListingRecord {
  readonly version: 1;
  readonly commit: string;
  /** Path, bytes, and the Hub's name for the content (null where a mirror gives none). */
  readonly listing: readonly (readonly [path: string, size: number, oid: string | null])[];
  readonly left: readonly ManifestEntry[];
}

/** Undefined if there is none that can be read: then nothing is known. */
function readRecord(directory: string): ListingRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(inside(directory, LISTING_FILE), 'utf8')) as ListingRecord | null;
    const usable = record?.version === 1 && Array.isArray(record.listing) && Array.isArray(record.left);
    return usable && record.listing.every(isEntry) && record.left.every(isLeft) ? record : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(entry: unknown): boolean {
  return Array.isArray(entry) && typeof entry[0] === 'string' && Number.isSafeInteger(entry[1]);
}

function isLeft(entry: Partial<ManifestEntry> | null): boolean {
  return typeof entry?.path === 'string' && typeof entry.sha256 === 'string';
}

/** Every file that the revision of this commit has, if an earlier run wrote that down. */
export function recordedListing(directory: string, commit: string): readonly RemoteFile[] | undefined {
  const record = readRecord(directory);
  if (record?.commit !== commit) return undefined;
  return record.listing.map(([path, size, oid]) => ({
    path,
    size,
    digest: oid === null ? undefined : digestOfOid(oid),
  }));
}

/**
 * Files that earlier runs put there for this repository and that the revision does not have: by the records, as
 * far as they still are files. Call it before the manifest is rewritten.
 */
export function filesLeftBehind(
  directory: string,
  { repo }: Revision,
  listing: readonly RemoteFile[],
): readonly ManifestEntry[] {
  const manifest = readManifest(inside(directory, MANIFEST_FILE));
  if (manifest === undefined || !isSameRepo(manifest.repo, repo)) return [];
  const wanted = new Set(listing.map((file) => file.path));
  const ours = [...(readRecord(directory)?.left ?? []), ...manifest.files];
  const left = new Map(ours.filter((file) => !wanted.has(file.path)).map((file) => [file.path, file]));
  return [...left.values()].filter(({ path }) => {
    // Not through links of files or directories: their targets are not ours.
    if (!isLocalName(path) || findPathConflicts(directory, [path], []).length > 0) return false;
    return lstatSync(localPath(directory, path), { throwIfNoEntry: false })?.isFile() === true;
  });
}

export async function writeRecord(
  directory: string,
  commit: string,
  listing: readonly RemoteFile[],
  left: readonly ManifestEntry[],
): Promise<void> {
  const entries = listing.map(({ path, size, digest }) => [path, size, digest?.hex ?? null]);
  const text = JSON.stringify({ version: 1, commit, listing: entries, left });
  await writeAtomically(inside(directory, LISTING_FILE), `${text}\n`);
}
