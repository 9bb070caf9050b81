import { gitSha1, pointerText, sha1Text, sha256 } from '../content/digest.ts';
import type { Commit } from '../repositories/commit.ts';
import { type HubFile, xetHashOf } from '../repositories/file.ts';

/** An entry of `/tree` and `/paths-info` (protocol 1.3). */
export interface TreeEntry {
  readonly type: 'file' | 'directory';
  readonly oid: string;
  readonly size: number;
  readonly path: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly xetHash?: string;
  readonly lastCommit?: { readonly id: string; readonly title: string; readonly date: string };
  readonly securityFileStatus?: { readonly status: string };
}

export async function fileEntry(file: HubFile): Promise<TreeEntry> {
  const { path, content } = file;
  if (file.storage === 'git') return { type: 'file', oid: await gitSha1(content), size: content.size, path };
  const pointer = await pointerText(content);
  const entry: TreeEntry = {
    type: 'file',
    // Of the pointer, not of the content.
    oid: pointerId(pointer),
    size: content.size,
    path,
    lfs: { oid: await sha256(content), size: content.size, pointerSize: pointer.length },
  };
  return file.storage === 'xet' ? { ...entry, xetHash: xetHashOf(file) } : entry;
}

export function directoryEntry(path: string, oid: string): TreeEntry {
  return { type: 'directory', oid, size: 0, path };
}

export function pointerId(pointer: string): string {
  return sha1Text(`blob ${pointer.length}\0${pointer}`);
}

export function expanded(entry: TreeEntry, commit: Commit): TreeEntry {
  const lastCommit = { id: commit.id, title: commit.title, date: commit.date.toISOString() };
  return entry.type === 'file'
    ? { ...entry, lastCommit, securityFileStatus: { status: 'safe' } }
    : { ...entry, lastCommit };
}
