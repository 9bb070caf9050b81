import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../model/check-report.ts';
import type { Digest } from '../model/remote-file.ts';
import { regularFile } from '../store/regular-file.ts';
import { isLocalName, localPath } from '../store/safe-path.ts';
import type { ContentDigests } from '../store/store.ts';
import { digestMatches } from '../store/store.ts';

/** A file as it should be. */
export interface ExpectedFile {
  readonly path: string;
  readonly size: number;
  /** What its content must hash to; undefined where only the size is known. */
  readonly digest: Digest | undefined;
  /** Unix milliseconds at which it was certainly right; undefined where nobody wrote that down. */
  readonly recordedMs: number | undefined;
}

export type Changed = Extract<Finding, { kind: 'changed' }>;

/** A copy or an archive may round times to whole seconds, some file systems to two. */
const TIME_TOLERANCE_MS = 2000;

/** Looks at name, size and, for `quick`, time. Undefined if only reading the content tells more. */
export function glance(directory: string, file: ExpectedFile, quick: boolean): Finding | 'right' | undefined {
  const { path, size, digest, recordedMs } = file;
  const found = isLocalName(path) ? regularFile(localPath(directory, path)) : undefined;
  if (found === undefined) return { kind: 'missing', path, size };
  const expected = { size, digest };
  const changed = (why: Changed['why']): Changed => ({
    kind: 'changed',
    path,
    why,
    expected,
    found: { size: found.size, hex: undefined },
  });
  if (found.size !== size) return changed('size');
  if (quick) {
    const touched = recordedMs !== undefined && found.mtimeMs > recordedMs + TIME_TOLERANCE_MS;
    return touched ? changed('time') : 'right';
  }
  return digest === undefined ? 'right' : undefined;
}

/** The finding that the hashes of a file of the right size lead to; undefined if it is right. */
export function judge(file: ExpectedFile, digests: ContentDigests): Finding | undefined {
  const { path, size, digest } = file;
  if (digestMatches(digests, digest)) return undefined;
  const hex = digest?.algorithm === 'git-sha1' ? digests.gitSha1 : digests.sha256;
  return { kind: 'changed', path, why: 'content', expected: { size, digest }, found: { size, hex } };
}

/** At the root of a directory: records of downloaders, and what git keeps. */
const NOT_CONTENT = new Set(['.cache/fetch', '.cache/huggingface', '.git']);

/**
 * Everything below a directory that nobody expects there, sorted by path. Links are not followed: a link to a
 * folder is one extra thing. Empty folders do not count, as for git.
 */
export function findExtra(directory: string, expected: ReadonlySet<string>): Finding[] {
  const found: Finding[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(directory, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (NOT_CONTENT.has(path)) continue;
      if (entry.isDirectory()) visit(path);
      else if (!expected.has(path)) {
        const size = lstatSync(join(directory, path), { throwIfNoEntry: false })?.size ?? 0;
        found.push({ kind: 'extra', path, size });
      }
    }
  };
  visit('');
  return found.sort((left, right) => (left.path < right.path ? -1 : 1));
}
