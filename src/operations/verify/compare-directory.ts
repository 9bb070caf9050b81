import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { HashPool } from '../../hash/hash-pool.ts';
import type { ContentDigests, Digest } from '../../model/digest.ts';
import { digestMatches } from '../../model/digest.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { inSlices } from '../../store/in-slices.ts';
import { isLocalName, localPath } from '../../store/paths/safe-path.ts';
import type { HashRecords } from '../../store/records/hash-records.ts';
import { stampedFile } from '../../store/records/stamp.ts';
import type { RunContext } from '../../system/run-context.ts';

/** A file with its expected size and digest. */
export interface ExpectedFile {
  readonly path: string;
  readonly size: number;
  /** Undefined if only the size is known. */
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

/** Called with the progress of a check. Sizes are bytes. */
export interface VerifyProgress {
  /** Before the first file: how many files will be checked, and how many bytes will be read. */
  planned(files: number, bytes: number): void;
  /** Bytes read since the last call. */
  read(bytes: number): void;
  /** One file is done; `finding` is undefined if it is right. */
  checked(path: string, finding: Finding | undefined): void;
}

interface CompareOptions {
  /** Undefined to hash every file. */
  readonly records: HashRecords | undefined;
  readonly watch: Partial<VerifyProgress> | undefined;
}

/** Files given to the hash threads: enough to keep them busy, and few listeners on the signal. */
const MAX_CHECKS = 64;

/** Compares these files of a directory, whatever else it holds: hashes every one without a valid record in `records`. */
export async function compareFiles(
  directory: string,
  expected: readonly ExpectedFile[],
  { records, watch = {} }: CompareOptions,
  { environment, signal }: RunContext,
): Promise<Pick<CheckReport, 'files' | 'bytes' | 'findings'>> {
  const { planned = () => {}, read: onRead = () => {}, checked = () => {} } = watch;
  const bytes = expected.reduce((sum, file) => sum + file.size, 0);
  planned(expected.length, bytes);
  await using hasher = new HashPool(environment.processors, { inlineBytes: 0 });
  const findings = new Map<string, Finding>();
  const report = (path: string, finding: Finding | undefined): void => {
    if (finding !== undefined) findings.set(path, finding);
    checked(path, finding);
  };
  const hash = async (file: ExpectedFile): Promise<void> => {
    const git = file.digest?.algorithm === 'git-sha1';
    const path = localPath(directory, file.path);
    const digests = await hasher.check(path, file.size, { git, onRead }, signal);
    report(file.path, compareDigest(file, digests));
  };
  const limit = pLimit(MAX_CHECKS);
  const hashing: Promise<void>[] = [];
  const compareSlice = (files: readonly ExpectedFile[]): void => {
    for (const file of files) {
      const result = compareMetadata(directory, file, records);
      if (result === undefined) {
        const task = limit(hash, file);
        // All are awaited below; handles a rejection before that.
        task.catch(() => {});
        hashing.push(task);
        continue;
      }
      onRead(file.size);
      report(file.path, result === 'right' ? undefined : result);
    }
  };
  await inSlices(expected, compareSlice, signal);
  await Promise.all(hashing);
  const inOrder = [...findings.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  return { files: expected.length, bytes, findings: inOrder };
}
