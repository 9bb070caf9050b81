import type { Digest } from '../model/digest.ts';
import type { RemoteFile } from '../model/remote-file.ts';

/**
 * How a revision differs from a lockfile, a phrase for each file: gone, another size, another hash. Files
 * that the lockfile does not name are ignored. A listing without hashes is compared by size.
 */
export function lockDrift(locked: readonly RemoteFile[], listing: readonly RemoteFile[]): string[] {
  const upstream = new Map(listing.map((file) => [file.path, file]));
  return locked.flatMap(({ path, size, digest, sha256 }) => {
    const found = upstream.get(path);
    if (found === undefined) return [`${path} is gone upstream`];
    if (found.size !== size) return [`${path} has ${found.size} bytes upstream instead of ${size}`];
    const known = [digest?.algorithm === 'git-sha1' ? digest : undefined, sha256Of(digest, sha256)];
    const same = known.find((one) => one !== undefined && one.algorithm === found.digest?.algorithm);
    if (same === undefined || found.digest === undefined || found.digest.hex === same.hex) return [];
    return [`${path} has the hash ${short(found.digest.hex)} upstream instead of ${short(same.hex)}`];
  });
}

/** How the requested files differ from the locked ones, a phrase for each file. */
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

function sha256Of(digest: Digest | undefined, sha256: string | undefined): Digest | undefined {
  if (digest?.algorithm === 'sha256') return digest;
  return sha256 === undefined ? undefined : { algorithm: 'sha256', hex: sha256 };
}

function short(hex: string): string {
  return `${hex.slice(0, 12)}…`;
}
