import { constants, readlinkSync } from 'node:fs';
import { copyFile, open, rename, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder } from '../make-folder.ts';
import { removeIfThere } from '../staged-part.ts';

/** Whether this file system and this user can make links. `folder` must be on the same disk as the cache. */
export async function canLink(folder: string): Promise<boolean> {
  const probe = join(folder, 'link.probe');
  try {
    await removeIfThere(probe);
    await symlink(join('..', 'nowhere'), probe);
    await removeIfThere(probe);
    return true;
  } catch {
    return false;
  }
}

/**
 * Lets a name of a snapshot lead to a blob: by a relative link, so that the cache may be moved. Replaces what stands
 * there in one step. `temporary` is a path of ours on the same disk.
 */
export async function linkToBlob(blob: string, name: string, temporary: string): Promise<void> {
  const target = relative(dirname(name), blob);
  if (leadsTo(name, target)) return;
  await removeIfThere(temporary);
  await symlink(target, temporary);
  await moveTo(temporary, name);
}

/** Where there are no links: a copy, since other snapshots may need the blob too. */
export async function copyOfBlob(blob: string, name: string, temporary: string): Promise<void> {
  await removeIfThere(temporary);
  await copyFile(blob, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const copy = await open(temporary, 'r+');
  try {
    await copy.datasync();
  } finally {
    await copy.close();
  }
  await moveTo(temporary, name);
}

function leadsTo(name: string, target: string): boolean {
  try {
    return readlinkSync(name) === target;
  } catch {
    return false;
  }
}

async function moveTo(temporary: string, name: string): Promise<void> {
  await makeFolder(dirname(name));
  await rename(temporary, name);
}
