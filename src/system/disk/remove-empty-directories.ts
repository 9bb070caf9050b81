import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Removes a directory and its parents below `root`, up to the first that is not empty. */
export async function removeEmptyDirectories(from: string, root: string): Promise<void> {
  for (let directory = from; directory.length > root.length; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch {
      return;
    }
  }
}
