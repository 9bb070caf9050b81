import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { readRecord } from '../records/read-record.ts';

/** A file of a commit, as huggingface_hub writes it. */
interface TreeEntry {
  readonly size?: unknown;
  readonly blob_id?: unknown;
  readonly lfs_sha256?: unknown;
  readonly lfs_size?: unknown;
  readonly xet_hash?: unknown;
}

/**
 * The listing of a commit in the format of huggingface_hub, which decides by it whether a snapshot is complete. Undefined
 * if the endpoint left out what the format needs.
 */
export function treeListing(listing: readonly RemoteFile[]): string | undefined {
  const sorted = [...listing].sort((left, right) => (left.path < right.path ? -1 : 1));
  const entries: [string, unknown][] = [];
  for (const file of sorted) {
    const entry = treeEntry(file);
    if (entry === undefined) return undefined;
    entries.push([file.path, entry]);
  }
  return JSON.stringify({ format_version: 1, files: Object.fromEntries(entries) }, undefined, 1);
}

function treeEntry({ size, digest, pointer }: RemoteFile): TreeEntry | undefined {
  if (digest?.algorithm === 'git-sha1') return { size, blob_id: digest.hex };
  if (digest === undefined || pointer === undefined) return undefined;
  const { oid, xetHash } = pointer;
  const xet = xetHash === undefined ? {} : { xet_hash: xetHash };
  return { size, blob_id: oid, lfs_sha256: digest.hex, lfs_size: size, ...xet };
}

/** Reads a listing that huggingface_hub or fetch wrote; undefined if there is none of this format. */
export function readTreeListing(path: string): readonly RemoteFile[] | undefined {
  const text = readRecord(path);
  if (text === undefined) return undefined;
  try {
    const document = JSON.parse(text) as {
      format_version?: unknown;
      files?: Record<string, TreeEntry>;
    } | null;
    if (document?.format_version !== 1 || typeof document.files !== 'object') return undefined;
    const files = Object.entries(document.files).map(([name, entry]) => remoteFile(name, entry));
    return files.every((file) => file !== undefined) ? files : undefined;
  } catch {
    return undefined;
  }
}

function remoteFile(path: string, entry: TreeEntry): RemoteFile | undefined {
  const { size, blob_id: oid, lfs_sha256: sha256, xet_hash: xetHash } = entry;
  if (!Number.isSafeInteger(size) || typeof oid !== 'string') return undefined;
  const digest = digestOfOid(typeof sha256 === 'string' ? sha256 : oid);
  if (digest === undefined) return undefined;
  const file = { path, size: size as number, digest };
  if (typeof sha256 !== 'string') return file;
  return { ...file, pointer: { oid, xetHash: typeof xetHash === 'string' ? xetHash : undefined } };
}
