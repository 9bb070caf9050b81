import { rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { localPath } from '../paths/safe-path.ts';
import { hubMetadataPath } from './hub-metadata.ts';

/** Removes a file of a directory, its record, and the folders that are empty without it; never the directory itself. */
export async function removeFile(directory: string, path: string): Promise<void> {
  const file = localPath(directory, path);
  await unlink(file);
  await removeIfThere(hubMetadataPath(directory, path)).catch(() => {});
  for (let folder = dirname(file); folder.length > directory.length; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}
