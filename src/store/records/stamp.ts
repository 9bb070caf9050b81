import { type BigIntStats, statSync } from 'node:fs';
import { diskError } from '../../system/disk/disk-error.ts';

/** A file at a path with its stamp, which tells whether it was changed since. */
export interface StampedFile {
  /** Bytes. */
  readonly size: number;
  readonly stamp: string;
  /** Unix milliseconds. */
  readonly modifiedMs: number;
}

/**
 * Size, times of the content and of the inode in nanoseconds, and the inode. Every one of them must be the same for a
 * file to count as untouched: a time that is not newer says nothing, since `mv`, `cp -p`, `tar` and `rsync` bring old ones.
 */
export function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ctimeNs}-${ino}`;
}

/** The regular file at a path, also behind a link. */
export function stampedFile(path: string): StampedFile | undefined {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found?.isFile() !== true) return undefined;
    return { size: Number(found.size), stamp: stampOf(found), modifiedMs: Number(found.mtimeNs) / 1e6 };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A file on the way to it, or a link that leads in a circle: no file either.
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw diskError(error, path);
  }
}
