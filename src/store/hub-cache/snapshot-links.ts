import { readlinkSync } from 'node:fs';
import { open, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { copyInto } from '../../system/disk/copy-content.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { FinalPlace } from '../paths/final-place.ts';

/** Creates a link at `path`; tests replace it. */
export type MakeLink = (target: string, path: string) => Promise<void>;

/**
 * Whether links can be created here. `directory` must be on the same disk as the cache. Reads the link back: under wine
 * `symlink` succeeds without creating one.
 */
export async function canLink(directory: string, makeLink: MakeLink = symlink): Promise<boolean> {
  const probe = join(directory, 'link.probe');
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
 * Points a name of a snapshot to a blob, by a relative link, so that the cache can be moved. Replaces the old entry in one
 * step. `temporary` is a path on the same disk. Writes a copy if links do not work.
 */
export async function linkToBlob(
  blob: string,
  name: string,
  temporary: string,
  means: CopyMeans,
): Promise<void> {
  const { makeLink = symlink } = means;
  const target = relative(dirname(name), blob);
  if (leadsTo(name, target)) return;
  await removeIfThere(temporary);
  await makeLink(target, temporary);
  if (!leadsTo(temporary, target)) return copyOfBlob(blob, name, temporary, means);
  means.place.move(temporary, name);
}

/** A copy and not a rename, because other snapshots may need the blob. */
export async function copyOfBlob(
  blob: string,
  name: string,
  temporary: string,
  { place, flush, signal }: CopyMeans,
): Promise<void> {
  await removeIfThere(temporary);
  const copy = await open(temporary, 'wx+');
  try {
    await copyInto(blob, temporary, signal);
    await flush.file(copy.fd);
  } catch (error) {
    await removeIfThere(temporary).catch(() => {});
    throw error;
  } finally {
    await copy.close();
  }
  place.move(temporary, name);
}

export interface CopyMeans {
  readonly place: FinalPlace;
  readonly flush: Flush;
  readonly signal: AbortSignal | undefined;
  readonly makeLink?: MakeLink;
}

function leadsTo(name: string, target: string): boolean {
  try {
    return readlinkSync(name) === target;
  } catch {
    return false;
  }
}
