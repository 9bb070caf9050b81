import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { regularFile } from '../../system/disk/regular-file.ts';
import { inSlices } from '../in-slices.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import { xetOf } from './lockfile.ts';
import { type Manifest, type ManifestEntry, manifestEntry } from './manifest.ts';

/** Manifest entries of verified files. `sha256Of` gives the hash of a path. Throws BUG if it is unknown. */
export function hashedEntries(
  files: readonly RemoteFile[],
  sha256Of: (path: string) => string | undefined,
): ManifestEntry[] {
  return files.map((file) => {
    const sha256 = sha256Of(file.path);
    if (sha256 === undefined) throw new FetchError('BUG', `nothing is known of ${file.path}`);
    return manifestEntry(file, sha256);
  });
}

/** The manifest before a run, and what the run brought. */
export interface ContentChange {
  readonly directory: string;
  readonly earlier: Manifest | undefined;
  readonly revision: Revision;
  /** Files of the revision. */
  readonly listing: readonly RemoteFile[];
  readonly brought: readonly ManifestEntry[];
}

/**
 * The manifest entries after a run: the new files, and files of earlier runs that the revision still has with the same
 * content.
 */
export async function currentEntries(
  { directory, earlier, revision, listing, brought }: ContentChange,
  signal?: AbortSignal,
): Promise<ManifestEntry[]> {
  const upstream = new Map(listing.map((file) => [file.path, file]));
  const sameCommit = earlier?.commit === revision.id;
  const retained: ManifestEntry[] = [];
  const isRetained = (entry: ManifestEntry): boolean => {
    const file = upstream.get(entry.path);
    if (file === undefined || file.size !== entry.size) return false;
    // Without a digest only the commit identifies the content.
    const unchanged = file.digest === undefined ? sameCommit : file.digest.hex === entry.oid;
    return unchanged && sizeOf(directory, entry.path) === entry.size;
  };
  // An older version of this program did not record it.
  const withXet = (entry: ManifestEntry): ManifestEntry => ({
    ...xetOf(upstream.get(entry.path)!),
    ...entry,
  });
  const retain = (slice: readonly ManifestEntry[]): void => {
    retained.push(...slice.filter(isRetained).map(withXet));
  };
  await inSlices(earlier?.files ?? [], retain, signal);
  return [...new Map([...retained, ...brought].map((entry) => [entry.path, entry])).values()];
}

/** Undefined if the file is missing, or if its name cannot be written on this system. */
function sizeOf(directory: string, path: string): number | undefined {
  return isLocalName(path) ? regularFile(localPath(directory, path))?.size : undefined;
}
