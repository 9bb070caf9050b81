import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Free bytes for this user on the file system of a path that need not exist. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(existingAncestor(path));
  return bavail * bsize;
}

/** The nearest ancestor directory that exists. */
export function existingAncestor(path: string): string {
  let current = path;
  while (statSync(current, { throwIfNoEntry: false }) === undefined && dirname(current) !== current) {
    current = dirname(current);
  }
  return current;
}
