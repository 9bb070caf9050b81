import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { existingAncestor } from '../../system/disk/free-bytes.ts';
import type { PathConflict } from './path-conflicts.ts';

const REASON = 'its folder is on another file system than the folder .cache/fetch';

/**
 * Files that are not there yet and would be moved from one file system to another, which cannot be done at once:
 * a file gets its name by a rename out of the directory of parts, so this is checked before the transfer.
 */
export function findCrossDeviceFiles(
  directory: string,
  files: readonly string[],
  partsFolder: string,
): PathConflict[] {
  const parts = deviceOf(join(directory, partsFolder));
  const devices = new Map<string, boolean>();
  const isDistant = (folder: string) => {
    const known = devices.get(folder);
    if (known !== undefined) return known;
    const found = deviceOf(folder) !== parts;
    devices.set(folder, found);
    return found;
  };
  return files.flatMap((path) => {
    const final = join(directory, ...path.split('/'));
    if (!isDistant(dirname(final))) return [];
    // The existing file may be right; then nothing is moved.
    return lstatSync(final, { throwIfNoEntry: false }) === undefined ? [{ path, reason: REASON }] : [];
  });
}

/** Device of the directory, or of its nearest existing ancestor. */
function deviceOf(folder: string): number {
  return lstatSync(existingAncestor(folder)).dev;
}
