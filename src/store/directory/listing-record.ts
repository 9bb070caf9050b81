import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import type { ManifestEntry } from '../records/manifest.ts';
import { readRecord } from '../records/read-record.ts';
import { inside, LISTING_FILE } from './layout.ts';

/** What the manifest does not hold: the whole listing of the revision, and stale files of older revisions. Internal format. */
export interface ListingRecord {
  readonly version: 1;
  readonly commit: string;
  /** Path, size in bytes, and the oid of the content (null if the endpoint gives none). */
  readonly listing: readonly (readonly [path: string, size: number, oid: string | null])[];
  readonly left: readonly ManifestEntry[];
}

/** Undefined if there is none that can be parsed. */
export function readListingRecord(directory: string): ListingRecord | undefined {
  const text = readRecord(inside(directory, LISTING_FILE));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as ListingRecord | null;
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

/** The whole listing of a commit, if an earlier run recorded it. */
export function recordedListing(directory: string, commit: string): readonly RemoteFile[] | undefined {
  const record = readListingRecord(directory);
  if (record?.commit !== commit) return undefined;
  return record.listing.map(([path, size, oid]) => ({
    path,
    size,
    digest: oid === null ? undefined : digestOfOid(oid),
  }));
}

/** Records the whole listing of a commit and the stale files. */
export async function writeListingRecord(
  directory: string,
  record: {
    readonly commit: string;
    readonly files: readonly RemoteFile[];
    readonly left: readonly ManifestEntry[];
  },
  flush: Flush,
): Promise<void> {
  const { commit, files, left } = record;
  const listing = files.map(({ path, size, digest }) => [path, size, digest?.hex ?? null]);
  const text = JSON.stringify({ version: 1, commit, listing, left });
  await writeAtomically(inside(directory, LISTING_FILE), `${text}\n`, { flush });
}
