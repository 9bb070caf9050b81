import { type BigIntStats, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { diskError } from '../../system/disk/disk-error.ts';
import type { CachePaths } from './cache-paths.ts';

/** The entry of a snapshot. */
export type SnapshotEntry =
  | { readonly kind: 'nothing' }
  /** A regular file, as on systems without links. */
  | { readonly kind: 'file'; readonly found: BigIntStats }
  /** A link to a blob of the same repository. */
  | { readonly kind: 'blob'; readonly name: string; readonly found: BigIntStats }
  /** A broken link, a link to something else, or no file at all. */
  | { readonly kind: 'other' };

/** Follows one link, and only to a blob of the same repository. */
export function snapshotEntry(paths: CachePaths, path: string): SnapshotEntry {
  const entry = look(path);
  if (entry === undefined) return { kind: 'nothing' };
  if (entry.isFile()) return { kind: 'file', found: entry };
  if (!entry.isSymbolicLink()) return { kind: 'other' };
  const target = resolve(dirname(path), readlinkSync(path));
  if (!sameDirectory(dirname(target), paths.blobs)) return { kind: 'other' };
  const found = blobFile(paths, basename(target));
  return found === undefined ? { kind: 'other' } : { kind: 'blob', name: basename(target), found };
}

/** A blob that is a file, or a link into the store that newer versions of `hf` share among repositories. */
export function blobFile(paths: CachePaths, name: string): BigIntStats | undefined {
  const path = paths.blob(name);
  const found = look(path);
  if (found === undefined || found.isFile()) return found;
  if (!found.isSymbolicLink()) return undefined;
  try {
    const shared = realpathSync(join(paths.cache, 'blobs'));
    if (!realpathSync(path).startsWith(shared + sep)) return undefined;
    const content = statSync(path, { bigint: true });
    return content.isFile() ? content : undefined;
  } catch {
    return undefined;
  }
}

function look(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw diskError(error, path);
  }
}

function sameDirectory(one: string, other: string): boolean {
  if (one === other) return true;
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}
