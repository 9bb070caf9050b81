import { statfsSync } from 'node:fs';

/** Linux magic numbers: ext2-4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlay. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x794c7630,
]);

/**
 * Whether only one machine can mount the file system of a directory: then no process of an earlier boot writes there. False
 * if unknown.
 */
export function isLocalDisk(directory: string): boolean {
  try {
    return LOCAL.has(statfsSync(directory).type);
  } catch {
    return false;
  }
}
