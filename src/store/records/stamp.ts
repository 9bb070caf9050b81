import { type BigIntStats, statSync } from 'node:fs';
import { diskError } from '../../system/disk/disk-error.ts';

/** A file with its stamp. Two equal stamps mean that it has not changed between them. */
export interface StampedFile {
  /** Bytes. */
  readonly size: number;
  readonly stamp: string;
  /** Unix milliseconds. */
  readonly modifiedMs: number;
}

/**
 * Size, mtime and ctime in nanoseconds, and inode. All must be equal for a file to count as unchanged: an older time proves
 * nothing, because `mv`, `cp -p`, `tar` and `rsync` keep old times.
 */
export function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ctimeNs}-${ino}`;
}

/** The regular file at a path. Follows links. */
export function stampedFile(path: string): StampedFile | undefined {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found?.isFile() !== true) return undefined;
    return { size: Number(found.size), stamp: stampOf(found), modifiedMs: Number(found.mtimeNs) / 1e6 };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A parent is a file, or links form a circle.
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw diskError(error, path);
  }
}
