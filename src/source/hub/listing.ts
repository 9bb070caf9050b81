import type { Digest } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import type { Pointer, RemoteFile } from '../../model/remote-file.ts';

/**
 * One entry of the Hub's tree as a file; undefined for directories and other entries without content. Throws NETWORK
 * for a malformed entry.
 */
export function toRemoteFile(entry: unknown): RemoteFile | undefined {
  if (entry === null || typeof entry !== 'object') throw malformedResponse('an entry that is not an object');
  const { type, path, size, oid, lfs, xetHash } = entry as Record<string, unknown>;
  if (type !== 'file') return undefined;
  if (typeof path !== 'string' || path === '') throw malformedResponse('a file without a path');
  const pointer = lfs !== null && typeof lfs === 'object' ? (lfs as Record<string, unknown>) : undefined;
  const bytes = pointer?.['size'] ?? size;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw malformedResponse(`no usable size for ${path.slice(0, 200)}`);
  }
  // The oid of an LFS entry is the hash of its pointer, not of its content.
  const digest = pointer === undefined ? gitDigest(oid) : sha256Digest(pointer['oid'] ?? pointer['sha256']);
  const named = pointer === undefined ? undefined : toPointer(oid, xetHash);
  return { path, size: bytes, digest, ...(named === undefined ? {} : { pointer: named }) };
}

function toPointer(oid: unknown, xetHash: unknown): Pointer | undefined {
  const blob = gitDigest(oid);
  if (blob === undefined) return undefined;
  const xet = typeof xetHash === 'string' && /^[0-9a-f]{64}$/.test(xetHash) ? xetHash : undefined;
  return { oid: blob.hex, xetHash: xet };
}

function gitDigest(oid: unknown): Digest | undefined {
  return typeof oid === 'string' && /^[0-9a-f]{40}$/i.test(oid)
    ? { algorithm: 'git-sha1', hex: oid.toLowerCase() }
    : undefined;
}

function sha256Digest(oid: unknown): Digest | undefined {
  const match = typeof oid === 'string' ? /^(?:sha256:)?([0-9a-f]{64})$/i.exec(oid) : null;
  return match === null ? undefined : { algorithm: 'sha256', hex: match[1]!.toLowerCase() };
}

function malformedResponse(what: string): FetchError {
  return new FetchError('NETWORK', `the hub lists ${what}`, {
    hint: 'This does not look like a Hugging Face Hub. Check the endpoint.',
  });
}
