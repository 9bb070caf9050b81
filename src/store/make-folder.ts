import { mkdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { existingAncestor } from './obstacles.ts';

/** Makes a folder and those above it; returns the topmost that was not there before. */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // What Node says of a read-only file system. Making one folder alone tells the reason.
    const ancestor = existingAncestor(path);
    const first = join(ancestor, relative(ancestor, path).split(sep)[0]!);
    await mkdir(first);
    await mkdir(path, { recursive: true });
    return first;
  }
}
