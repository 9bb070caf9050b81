import type { RemoteFile } from '../../model/remote-file.ts';

/**
 * The listing of a commit as huggingface_hub keeps it, from which it tells whether a snapshot is complete. Undefined
 * where the hub did not say all that belongs there: a listing is believed for ever.
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

function treeEntry({ size, digest, pointer }: RemoteFile): Record<string, unknown> | undefined {
  if (digest?.algorithm === 'git-sha1') return { size, blob_id: digest.hex };
  if (digest === undefined || pointer === undefined) return undefined;
  const { oid, xetHash } = pointer;
  const xet = xetHash === undefined ? {} : { xet_hash: xetHash };
  return { size, blob_id: oid, lfs_sha256: digest.hex, lfs_size: size, ...xet };
}
