import type { RemoteFile } from '../model/remote-file.ts';

/**
 * What a revision has otherwise than a lock says, a phrase for each file: gone, another size, another hash. Files
 * that the lock does not name do not count. A listing without hashes is compared by size.
 */
export function lockDrift(locked: readonly RemoteFile[], listing: readonly RemoteFile[]): string[] {
  const upstream = new Map(listing.map((file) => [file.path, file]));
  return locked.flatMap(({ path, size, digest }) => {
    const found = upstream.get(path);
    if (found === undefined) return [`${path} is gone upstream`];
    if (found.size !== size) return [`${path} has ${found.size} bytes upstream instead of ${size}`];
    const comparable = digest !== undefined && found.digest?.algorithm === digest.algorithm;
    if (!comparable || found.digest.hex === digest.hex) return [];
    return [`${path} has the hash ${short(found.digest.hex)} upstream instead of ${short(digest.hex)}`];
  });
}

/** How what is asked for differs from what is locked, as phrases. */
export function selectionDrift(locked: readonly RemoteFile[], selected: readonly RemoteFile[]): string[] {
  const wanted = new Set(selected.map((file) => file.path));
  const known = new Set(locked.map((file) => file.path));
  return [
    ...locked
      .filter((file) => !wanted.has(file.path))
      .map((file) => `${file.path} is locked, but not asked for`),
    ...selected
      .filter((file) => !known.has(file.path))
      .map((file) => `${file.path} is asked for, but not locked`),
  ];
}

function short(hex: string): string {
  return `${hex.slice(0, 12)}…`;
}
