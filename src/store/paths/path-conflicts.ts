import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { existingAncestor } from '../../system/disk/free-bytes.ts';

export interface PathConflict {
  readonly path: string;
  readonly reason: string;
}

/**
 * Finds entries of a directory that block these files: a link or a file where a directory must be, or a directory where a
 * file must be. Read-only. Paths are relative, with `/`.
 */
export function findPathConflicts(
  directory: string,
  files: readonly string[],
  directories: readonly string[],
): PathConflict[] {
  const root = realPath(directory);
  // A missing directory has no entries.
  if (root === undefined) return [];
  const known = new Map<string, string | undefined>();
  const directoryConflict = (relative: string): string | undefined => {
    if (relative === '' || relative === '.') return undefined;
    if (known.has(relative)) return known.get(relative);
    const reason = directoryConflict(parent(relative)) ?? directoryProblem(root, relative);
    known.set(relative, reason);
    return reason;
  };
  const conflicts: PathConflict[] = [];
  for (const directory of directories) {
    const reason = directoryConflict(directory);
    if (reason !== undefined) conflicts.push({ path: directory, reason });
  }
  for (const path of files) {
    const reason = directoryConflict(parent(path)) ?? fileProblem(root, path);
    if (reason !== undefined) conflicts.push({ path, reason });
  }
  return conflicts;
}

function parent(relative: string): string {
  const slash = relative.lastIndexOf('/');
  return slash < 0 ? '' : relative.slice(0, slash);
}

function directoryProblem(root: string, relative: string): string | undefined {
  const found = look(join(root, ...relative.split('/')));
  if (found === undefined || found.isDirectory()) return undefined;
  // Any link is refused: it may lead outside, into `.git` or our own records, or to another file of the listing.
  return found.isSymbolicLink() ? 'a link stands in the way' : 'a file stands where a directory must be';
}

function fileProblem(root: string, relative: string): string | undefined {
  const found = look(join(root, ...relative.split('/')));
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return undefined;
  return found.isDirectory()
    ? 'a directory stands where this file must go'
    : 'something other than a file stands there';
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
 * Whether the file system ignores case in names. Looks at an existing directory under its name in the other case, and
 * writes nothing. Returns `fallback` if no name has letters, or where the parents belong to another file system.
 */
export function ignoresCase(directory: string, fallback: boolean): boolean {
  const start = existingAncestor(directory);
  const { dev } = statSync(start);
  for (let path = start; dirname(path) !== path; path = dirname(path)) {
    if (statSync(dirname(path)).dev !== dev) return fallback;
    const name = basename(path);
    const swapped = name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase();
    if (swapped === name) continue;
    // Does not follow links: one may have the other spelling.
    const own = look(path);
    const other = look(join(dirname(path), swapped));
    return own !== undefined && other !== undefined && own.ino === other.ino && own.dev === other.dev;
  }
  return fallback;
}

const OTHER_DEVICE = 'its directory is on another file system than the directory .cache/fetch';

/**
 * Finds missing files whose directory is on another file system than the parts: a file gets its name by a rename, which
 * works only within one file system. Checked before the transfer.
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
    // An existing file may be right, and is then not moved.
    return lstatSync(final, { throwIfNoEntry: false }) === undefined ? [{ path, reason: OTHER_DEVICE }] : [];
  });
}

/** Device of the directory, or of its nearest existing ancestor. */
function deviceOf(directory: string): number {
  return lstatSync(existingAncestor(directory)).dev;
}
