import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { existingAncestor, type PathConflict } from './path-conflicts.ts';

const REASON = 'its folder is on another file system than the folder .cache/fetch';

/**
 * Files that are not there yet and would be moved from one file system to another, which cannot be done at once:
 * a file gets its name by being moved out of the folder of parts. Better known before than after it was fetched.
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
    // What stands there may be right, and then it is not moved.
    return lstatSync(final, { throwIfNoEntry: false }) === undefined ? [{ path, reason: REASON }] : [];
  });
}

/** Of the folder, or of the nearest one above it that is there. */
function deviceOf(folder: string): number {
  return lstatSync(existingAncestor(folder)).dev;
}
