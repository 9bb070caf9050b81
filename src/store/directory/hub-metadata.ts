import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { Companion } from '../parts/name-part.ts';
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
 * The record of a file, to be written after the file has its final name: `hf` ignores a record that is older than the
 * file.
 */
export function hubMetadataFile(directory: string, path: string, metadata: HubMetadata): Companion {
  const { commit, etag, recordedMs } = metadata;
  const lines = [commit, etag, (recordedMs / 1000).toFixed(6)];
  return {
    root: directory,
    around: posix.join(HUB_METADATA_DIRECTORY, posix.dirname(path)),
    path: hubMetadataPath(directory, path),
    text: `${lines.join('\n')}\n`,
  };
}
