import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { existingAncestor } from '../../system/disk/free-bytes.ts';

export interface PathConflict {
  readonly path: string;
  readonly reason: string;
}

/**
 * What already stands in a directory and is in the way of these files: a link or a file where a folder must
 * be, a folder where a file must be. Only looks. Paths are relative, with `/`.
 */
export function findPathConflicts(
  directory: string,
  files: readonly string[],
  folders: readonly string[],
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
  for (const folder of folders) {
    const reason = judgeDirectory(folder);
    if (reason !== undefined) obstacles.push({ path: folder, reason });
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
  return found.isSymbolicLink() ? 'a link stands in the way' : 'a file stands where a folder must be';
}

function fileProblem(root: string, relative: string): string | undefined {
  const found = look(join(root, ...relative.split('/')));
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return undefined;
  return found.isDirectory()
    ? 'a folder stands where this file must go'
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
 * folder under its name in the other case; nothing is written. `fallback` where no name has letters, and
 * where the folders above belong to another file system, which may have other habits.
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
