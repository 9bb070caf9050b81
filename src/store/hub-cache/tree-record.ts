import { readFileSync } from 'node:fs';
import { digestOfOid } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { CachePaths } from './cache-paths.ts';

/** A file of a `treeListing`, written by huggingface_hub or by us. */
interface TreeEntry {
  readonly size?: unknown;
  readonly blob_id?: unknown;
  readonly lfs_sha256?: unknown;
  readonly xet_hash?: unknown;
}

/** Every file of a commit as recorded by huggingface_hub or by us; undefined if there is no record, or one of another format. */
export function recordedTree(places: CachePaths, commit: string): readonly RemoteFile[] | undefined {
  try {
    const document = JSON.parse(readFileSync(places.tree(commit), 'utf8')) as {
      format_version?: unknown;
      files?: Record<string, TreeEntry>;
    } | null;
    if (document?.format_version !== 1 || typeof document.files !== 'object') return undefined;
    const files = Object.entries(document.files).map(([path, entry]) => remoteFile(path, entry));
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
