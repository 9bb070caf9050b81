import { statfsSync } from 'node:fs';

/** Of Linux: ext2-4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlay. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x794c7630,
]);

/**
 * Whether a directory is on a file system that only one machine mounts at a time: a process of an earlier boot of a
 * machine cannot be writing there any more. False if unknown.
 */
export function isLocalDisk(directory: string): boolean {
  try {
    return LOCAL.has(statfsSync(directory).type);
  } catch {
    return false;
  }
}
