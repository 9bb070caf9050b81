import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentDigests, Digest } from '../../model/digest.ts';
import { digestMatches } from '../../model/digest.ts';
import type { Finding } from '../../model/verify-report.ts';
import { isLocalName, localPath } from '../../store/paths/safe-path.ts';
import type { HashRecords } from '../../store/records/hash-records.ts';
import { stampedFile } from '../../store/records/stamp.ts';

/** A file as it should be. */
export interface ExpectedFile {
  readonly path: string;
  readonly size: number;
  /** Undefined where only the size is known. */
  readonly digest: Digest | undefined;
}

/**
 * Compares name and size, and with `records` the hash that we recorded if the file has not changed since. Undefined if the
 * content must be hashed.
 */
export function compareMetadata(
  directory: string,
  file: ExpectedFile,
  records: HashRecords | undefined,
): Finding | 'right' | undefined {
  const { path, size, digest } = file;
  const found = isLocalName(path) ? stampedFile(localPath(directory, path)) : undefined;
  if (found === undefined) return { kind: 'missing', path, size };
  const expected = { size, digest };
  if (found.size !== size) {
    return { kind: 'changed', path, why: 'size', expected, found: { size: found.size, hex: undefined } };
  }
  if (digest === undefined) return 'right';
  const known = records?.find(path, found.stamp);
  return known !== undefined && digestMatches(known, digest) ? 'right' : undefined;
}

/** Compares the hashes of a file of the right size; undefined if they match. */
export function compareDigest(file: ExpectedFile, digests: ContentDigests): Finding | undefined {
  const { path, size, digest } = file;
  if (digestMatches(digests, digest)) return undefined;
  const hex = digest?.algorithm === 'git-sha1' ? digests.gitSha1 : digests.sha256;
  return { kind: 'changed', path, why: 'content', expected: { size, digest }, found: { size, hex } };
}

/** At the root of a directory: state of downloaders and of git. */
const NOT_CONTENT = new Set(['.cache/fetch', '.cache/huggingface', '.git']);

/**
 * Everything below a directory that is not expected there, sorted by path. Links are not followed: a link to a
 * directory is one extra entry. As in git, empty directories do not count.
 */
export async function findExtra(
  directory: string,
  expected: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const found: Finding[] = [];
  const visit = async (parent: string): Promise<void> => {
    signal.throwIfAborted();
    for (const entry of await readdir(join(directory, parent), { withFileTypes: true })) {
      const path = parent === '' ? entry.name : `${parent}/${entry.name}`;
      if (NOT_CONTENT.has(path)) continue;
      if (entry.isDirectory()) await visit(path);
      else if (!expected.has(path)) {
        const size = lstatSync(join(directory, path), { throwIfNoEntry: false })?.size ?? 0;
        found.push({ kind: 'extra', path, size });
      }
    }
  };
  await visit('');
  return found.sort((left, right) => (left.path < right.path ? -1 : 1));
}
