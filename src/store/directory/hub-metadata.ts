import { readFileSync } from 'node:fs';
import { unlink, writeFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { HUB_METADATA_DIRECTORY, inside } from './layout.ts';

/**
 * The record by which `hf download` and huggingface_hub recognise a finished file. They compare only the size when they
 * write it, so it tells where a content may be, not that the content is right.
 */
export interface HubMetadata {
  readonly commit: string;
  readonly etag: string;
  /** Unix time in milliseconds at which the file was known to be right. */
  readonly recordedMs: number;
}

export function hubMetadataPath(directory: string, path: string): string {
  return inside(directory, `${HUB_METADATA_DIRECTORY}/${path}.metadata`);
}

/** Undefined if there is none that can be parsed. */
export function readHubMetadata(directory: string, path: string): HubMetadata | undefined {
  let text: string;
  try {
    text = readFileSync(hubMetadataPath(directory, path), 'utf8');
  } catch {
    return undefined;
  }
  // Python on Windows writes CRLF.
  const [commit, etag, seconds] = text.split(/\r?\n/);
  if (commit === undefined || etag === undefined || seconds === undefined) return undefined;
  const recordedMs = Number(seconds) * 1000;
  return seconds !== '' && Number.isFinite(recordedMs) ? { commit, etag, recordedMs } : undefined;
}

/**
 * Errors for a record whose name is impossible, too long or in a repository with both `x` and `x.metadata/y`, and for one
 * that finds no free descriptor.
 */
const DO_WITHOUT = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'EEXIST', 'EPERM', 'EMFILE', 'ENFILE']);

/**
 * Call it after the file has its final name: `hf` ignores a record that is older than the file. A record is optional: it is
 * left out if its name is impossible or descriptors are short.
 */
export async function writeHubMetadata(
  directory: string,
  path: string,
  metadata: HubMetadata,
): Promise<void> {
  const target = hubMetadataPath(directory, path);
  const around = posix.join(HUB_METADATA_DIRECTORY, posix.dirname(path));
  if (findPathConflicts(directory, [], [around]).length > 0) return;
  const lines = [metadata.commit, metadata.etag, (metadata.recordedMs / 1000).toFixed(6)];
  try {
    await replace(target, `${lines.join('\n')}\n`);
  } catch (error) {
    if (!DO_WITHOUT.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Replaces the file instead of writing into it: it may be a link. */
async function replace(target: string, text: string): Promise<void> {
  try {
    await writeFile(target, text, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') await unlink(target);
    else if (code === 'ENOENT') await ensureDirectory(dirname(target));
    else throw error;
    await writeFile(target, text, { flag: 'wx' });
  }
}
