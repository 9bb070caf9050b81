import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { type Lockfile, type LockfileEntry, listedFile, lockText, parseLocks, xetOf } from './lockfile.ts';
import { readRecord } from './read-record.ts';

/** A file that was hashed here. */
export interface ManifestEntry extends LockfileEntry {
  readonly sha256: string;
}

/** What a directory holds: a lockfile that knows the sha256 of every file. */
export interface Manifest extends Lockfile {
  readonly files: readonly ManifestEntry[];
}

/** The entry of a file with this sha256. Where the source gives no digest, the sha256 is the oid. */
export function manifestEntry(file: RemoteFile, sha256: string): ManifestEntry {
  const { path, size, digest } = file;
  return { path, size, sha256, oid: digest?.hex ?? sha256, ...xetOf(file) };
}

/** The files of a manifest by their paths, with both hashes. */
export function manifestFiles({ files }: Manifest): ReadonlyMap<string, RemoteFile> {
  return new Map(files.map((entry) => [entry.path, { ...listedFile(entry), sha256: entry.sha256 }]));
}

/** The manifest at this path; undefined if there is none, or one that this version cannot read. */
export function readManifest(path: string): Manifest | undefined {
  const text = readRecord(path);
  const [manifest, ...others] = (text === undefined ? undefined : parseLocks(text)) ?? [];
  return manifest !== undefined && others.length === 0 && isManifest(manifest) ? manifest : undefined;
}

function isManifest(lock: Lockfile): lock is Manifest {
  return lock.files.every(({ sha256 }) => sha256 !== undefined);
}

/** Records that these files of the revision are in the directory. */
export async function writeManifest(
  path: string,
  { revision, endpoint, files }: Pick<Manifest, 'endpoint' | 'files'> & { readonly revision: Revision },
  flush: Flush,
): Promise<void> {
  const { repo, name, id } = revision;
  const text = lockText([{ version: 1, endpoint, repo, revision: name, commit: id, files }]);
  await writeAtomically(path, text, { flush });
}
