import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { existingAncestor } from '../../system/disk/free-bytes.ts';

export interface PathConflict {
  readonly path: string;
  readonly reason: string;
}

/**
 * What already stands in a directory and is in the way of these files: a link or a file where a directory must
 * be, a directory where a file must be. Only looks. Paths are relative, with `/`.
 */
export function findPathConflicts(
  directory: string,
  files: readonly string[],
  directories: readonly string[],
): PathConflict[] {
  const root = realPath(directory);
  // A directory that does not exist yet has nothing in it.
  if (root === undefined) return [];
  const judged = new Map<string, string | undefined>();
  const judgeDirectory = (relative: string): string | undefined => {
    if (relative === '' || relative === '.') return undefined;
    if (judged.has(relative)) return judged.get(relative);
    const reason = judgeDirectory(parent(relative)) ?? directoryProblem(root, relative);
    judged.set(relative, reason);
    return reason;
  };
  const obstacles: PathConflict[] = [];
  for (const directory of directories) {
    const reason = judgeDirectory(directory);
    if (reason !== undefined) obstacles.push({ path: directory, reason });
  }
  for (const path of files) {
    const reason = judgeDirectory(parent(path)) ?? fileProblem(root, path);
    if (reason !== undefined) obstacles.push({ path, reason });
  }
  return obstacles;
}

function parent(relative: string): string {
  const slash = relative.lastIndexOf('/');
  return slash < 0 ? '' : relative.slice(0, slash);
}

function directoryProblem(root: string, relative: string): string | undefined {
  const found = look(join(root, ...relative.split('/')));
  if (found === undefined || found.isDirectory()) return undefined;
  // Refused whatever its target: outside, `.git`, our own records, or the place of another file of the listing.
  return found.isSymbolicLink() ? 'a link stands in the way' : 'a file stands where a directory must be';
}

function fileProblem(root: string, relative: string): string | undefined {
  const found = look(join(root, ...relative.split('/')));
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return undefined;
  return found.isDirectory()
    ? 'a directory stands where this file must go'
    : 'something that is no file stands there';
}

function look(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Whether names here that differ only in case are the same file. Found out by looking at an existing
 * directory under its name in the other case; nothing is written. `fallback` where no name has letters, and
 * where the directories above belong to another file system, which may have other habits.
 */
export function ignoresCase(directory: string, fallback: boolean): boolean {
  const start = existingAncestor(directory);
  const { dev } = statSync(start);
  for (let path = start; dirname(path) !== path; path = dirname(path)) {
    if (statSync(dirname(path)).dev !== dev) return fallback;
    const name = basename(path);
    const swapped = name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase();
    if (swapped === name) continue;
    // Not through links: one may bear the other spelling.
    const own = look(path);
    const other = look(join(dirname(path), swapped));
    return own !== undefined && other !== undefined && own.ino === other.ino && own.dev === other.dev;
  }
  return fallback;
}

const OTHER_DEVICE = 'its directory is on another file system than the directory .cache/fetch';

/**
 * Files that are not there yet and would be moved from one file system to another, which cannot be done at once:
 * a file gets its name by a rename out of the directory of parts, so this is checked before the transfer.
 */
export function findCrossDeviceFiles(
  directory: string,
  files: readonly string[],
  partsPath: string,
): PathConflict[] {
  const parts = deviceOf(join(directory, partsPath));
  const devices = new Map<string, boolean>();
  const isDistant = (directory: string) => {
    const known = devices.get(directory);
    if (known !== undefined) return known;
    const found = deviceOf(directory) !== parts;
    devices.set(directory, found);
    return found;
  };
  return files.flatMap((path) => {
    const final = join(directory, ...path.split('/'));
    if (!isDistant(dirname(final))) return [];
    // The existing file may be right; then nothing is moved.
    return lstatSync(final, { throwIfNoEntry: false }) === undefined ? [{ path, reason: OTHER_DEVICE }] : [];
  });
}

/** Device of the directory, or of its nearest existing ancestor. */
function deviceOf(directory: string): number {
  return lstatSync(existingAncestor(directory)).dev;
}
