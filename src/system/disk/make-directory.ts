import { lstatSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FetchError } from '../../model/error.ts';
import { despiteOthers, isMissing } from './collision.ts';
import { diskError } from './disk-error.ts';

/**
 * Creates a directory and its parents level by level. Returns the topmost that it created. Node's own `recursive` loops
 * forever on a file system that answers ENOENT below an existing directory.
 */
export async function ensureDirectory(path: string, mode?: number): Promise<string | undefined> {
  let topmost: string | undefined;
  const make = async () => {
    const missing: string[] = [];
    for (let directory = path; !(await isDirectory(directory)); directory = dirname(directory))
      missing.push(directory);
    for (const directory of missing.toReversed()) {
      if (await makeOne(directory, mode)) topmost ??= directory;
    }
  };
  try {
    // Another run may remove its empty directories while we create ours.
    await despiteOthers(make, isMissing);
  } catch (error) {
    throw isMissing(error) ? impossible(path, error) : error;
  }
  return topmost;
}

/** False if another run created it first. */
async function makeOne(directory: string, mode: number | undefined): Promise<boolean> {
  try {
    await mkdir(directory, mode);
    return true;
  } catch (error) {
    if (await isDirectory(directory)) return false;
    throw error;
  }
}

/** False if nothing is there. Throws the reason if the path cannot become a directory. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    const found = lstatSync(path, { throwIfNoEntry: false });
    // Another run may have just created it.
    if (found === undefined || found.isDirectory()) return found !== undefined;
    throw diskError(error, path);
  }
  throw Object.assign(new Error(`EEXIST: ${path}`), { code: 'EEXIST' });
}

function impossible(path: string, cause: unknown): FetchError {
  return new FetchError('DISK', `${path}: the file system does not let a directory be made there`, {
    cause,
    hint: 'It may be a file system of the kernel, like /proc. Use --local-dir on a disk.',
  });
}
