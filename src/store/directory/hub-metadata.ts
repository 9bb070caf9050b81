import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HUB_METADATA_FOLDER, inside } from './layout.ts';

/** The three lines by which `hf download` and huggingface_hub recognise a file that they need not fetch. */
export interface HubMetadata {
  readonly commit: string;
  readonly etag: string;
  /** Unix time in milliseconds at which the file was known to be right. */
  readonly recordedMs: number;
}

export function hubMetadataPath(directory: string, path: string): string {
  return inside(directory, `${HUB_METADATA_FOLDER}/${path}.metadata`);
}

/** Undefined where there is none or it cannot be understood. */
export function readHubMetadata(directory: string, path: string): HubMetadata | undefined {
  let text: string;
  try {
    text = readFileSync(hubMetadataPath(directory, path), 'utf8');
  } catch {
    return undefined;
  }
  const [commit, etag, seconds] = text.split('\n');
  const recordedMs = Number(seconds) * 1000;
  if (commit === undefined || etag === undefined || !Number.isFinite(recordedMs)) return undefined;
  return { commit, etag, recordedMs };
}

/** The Hub's own client believes the record only while the file is not newer than it, give or take a second. */
export function vouchesFor(metadata: HubMetadata | undefined, etag: string, modifiedMs: number): boolean {
  return metadata !== undefined && metadata.etag === etag && modifiedMs - 1000 <= metadata.recordedMs;
}

/** Must come after the file has its final name: a record older than the file is not believed. */
export async function writeHubMetadata(
  directory: string,
  path: string,
  metadata: HubMetadata,
): Promise<void> {
  const target = hubMetadataPath(directory, path);
  const lines = [metadata.commit, metadata.etag, (metadata.recordedMs / 1000).toFixed(6)];
  const text = `${lines.join('\n')}\n`;
  try {
    await writeFile(target, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The suffix makes the longest names too long. The record is a convenience for others: do without.
    if (code === 'ENAMETOOLONG') return;
    if (code !== 'ENOENT') throw error;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }
}
