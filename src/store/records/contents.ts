import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { regularFile } from '../../system/disk/regular-file.ts';
import { inSlices } from '../in-slices.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import type { Manifest, ManifestEntry } from './manifest.ts';

/** What an earlier run left in a directory that this revision still has with the same content. */
export async function retainedEntries(
  directory: string,
  earlier: Manifest | undefined,
  revision: Revision,
  listing: readonly RemoteFile[],
  signal?: AbortSignal,
): Promise<ManifestEntry[]> {
  const upstream = new Map(listing.map((file) => [file.path, file]));
  const sameCommit = earlier?.commit === revision.id;
  const remaining: ManifestEntry[] = [];
  const look = (entry: ManifestEntry): boolean => {
    const file = upstream.get(entry.path);
    if (file === undefined || file.size !== entry.size) return false;
    // Without a hash only the commit tells one content from another.
    const unchanged = file.digest === undefined ? sameCommit : file.digest.hex === entry.oid;
    return unchanged && sizeOf(directory, entry.path) === entry.size;
  };
  await inSlices(earlier?.files ?? [], (slice) => remaining.push(...slice.filter(look)), signal);
  return remaining;
}

/** Undefined if the file is missing, or if its name cannot be written on this system. */
function sizeOf(directory: string, path: string): number | undefined {
  return isLocalName(path) ? regularFile(localPath(directory, path))?.size : undefined;
}
