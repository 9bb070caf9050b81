import { constants, readlinkSync } from 'node:fs';
import { copyFile, open, rename, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder } from '../make-folder.ts';
import { removeIfThere } from '../staged-part.ts';

/** Makes a link at `path`; `symlink` of Node but in tests. */
export type MakeLink = (target: string, path: string) => Promise<void>;

/**
 * Whether this file system and this user can make links. `folder` must be on the same disk as the cache.
 * Under wine `symlink` succeeds and makes nothing, so the link is looked at.
 */
export async function canLink(folder: string, makeLink: MakeLink = symlink): Promise<boolean> {
  const probe = join(folder, 'link.probe');
  const target = join('..', 'nowhere');
  try {
    await removeIfThere(probe);
    await makeLink(target, probe);
    const made = leadsTo(probe, target);
    await removeIfThere(probe);
    return made;
  } catch {
    return false;
  }
}

/**
 * Lets a name of a snapshot lead to a blob: by a relative link, so that the cache may be moved. Replaces what stands
 * there in one step. `temporary` is a path of ours on the same disk. Where no link came of it, the name gets a copy.
 */
export async function linkToBlob(
  blob: string,
  name: string,
  temporary: string,
  makeLink: MakeLink = symlink,
): Promise<void> {
  const target = relative(dirname(name), blob);
  if (leadsTo(name, target)) return;
  await removeIfThere(temporary);
  await makeLink(target, temporary);
  if (!leadsTo(temporary, target)) return copyOfBlob(blob, name, temporary);
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
