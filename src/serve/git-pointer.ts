import { createHash } from 'node:crypto';
import type { RemoteFile } from '../model/remote-file.ts';

/** The git blob of a file in a repository of the Hub. */
export interface GitBlob {
  /** 40 hex digits. */
  readonly oid: string;
  /** Of a large file, which git keeps as a pointer: the text of it. */
  readonly pointer: string | undefined;
}

/**
 * The git blob of a listed file. For large files it is the pointer of git LFS, which follows from sha256 and size. Undefined
 * if no digest is known.
 */
export function gitBlob({ digest, sha256, size }: RemoteFile): GitBlob | undefined {
  if (digest?.algorithm === 'git-sha1') return { oid: digest.hex, pointer: undefined };
  const hex = digest?.hex ?? sha256;
  if (hex === undefined) return undefined;
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${hex}\nsize ${size}\n`;
  return { oid: blobId(pointer), pointer };
}

function blobId(text: string): string {
  return createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');
}
