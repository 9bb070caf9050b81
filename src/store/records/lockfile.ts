import { readFileSync } from 'node:fs';
import { type Digest, digestOfOid } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type RepoRef, repoRecord } from '../../model/repo.ts';
import { isRevisionId } from '../../model/revision-id.ts';
import { diskError } from '../../system/disk/disk-error.ts';

/** A file as a lockfile or manifest names it. */
export interface LockfileEntry {
  /** Relative to the root of the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** 64 hex digits; may be left out for small files that were never downloaded. */
  readonly sha256?: string;
  /** The git blob sha1 or the LFS sha256, as the Hub names the content. */
  readonly oid: string;
  /** The hash of the file in Xet storage, 64 hex digits, if the Hub keeps it there. */
  readonly xet?: string;
}

/** One revision of one repository, file by file: the format of cli.md section 7. */
export interface Lockfile {
  /** Of the format. */
  readonly version: 1;
  /** Address of the hub that was asked. */
  readonly endpoint: string;
  /** `OWNER/NAME`, its kind, and its source where that is not the Hub. */
  readonly repo: RepoRef;
  /** The name that the user gave. */
  readonly revision: string;
  /** What pins the revision: 40 lower-case hex digits on the Hub, `sha256:…` in a registry. */
  readonly commit: string;
  /** Sorted by path. */
  readonly files: readonly LockfileEntry[];
}

/** The lockfile entry of a listed file that has a digest. */
export function lockfileEntry(file: RemoteFile, { algorithm, hex }: Digest): LockfileEntry {
  const { path, size } = file;
  return { path, size, ...(algorithm === 'sha256' ? { sha256: hex } : {}), oid: hex, ...xetOf(file) };
}

/** The hash of the file in Xet storage, where the source names it. */
export function xetOf({ pointer }: RemoteFile): Pick<LockfileEntry, 'xet'> {
  return pointer?.xetHash === undefined ? {} : { xet: pointer.xetHash };
}

/** The file of an entry, as a listing has it. */
export function listedFile({ path, size, oid, xet }: LockfileEntry): RemoteFile {
  // The hash of the pointer file itself is not recorded.
  const pointer = xet === undefined ? undefined : { oid: '', xetHash: xet };
  return { path, size, digest: digestOfOid(oid), ...(pointer === undefined ? {} : { pointer }) };
}

/**
 * The text of a lockfile: for one repository exactly that format, for several `{"version":1,"repos":[…]}`, each in
 * that format, in the given order. Sorted by path, two spaces, a newline at the end: made for diffs.
 */
export function lockText(locks: readonly Lockfile[]): string {
  const [only] = locks;
  const document =
    locks.length === 1 && only !== undefined ? normalize(only) : { version: 1, repos: locks.map(normalize) };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function normalize({ version, endpoint, repo, revision, commit, files }: Lockfile): Lockfile {
  const sorted = files
    .toSorted((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0))
    .map(({ path, size, sha256, oid, xet }) => ({
      path,
      size,
      ...(sha256 === undefined ? {} : { sha256 }),
      oid,
      ...(xet === undefined ? {} : { xet }),
    }));
  return {
    version,
    endpoint,
    repo: repoRecord(repo),
    revision,
    commit,
    files: sorted,
  };
}

/** Reads a lockfile. Throws NOT_FOUND if it is missing, INTEGRITY if this version cannot read it. */
export function readLocks(path: string): readonly Lockfile[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { message } = diskError(cause, path) as Error;
    throw new FetchError('NOT_FOUND', `the lockfile cannot be read: ${message}`, {
      cause,
      hint: 'Make one with `fetch lock REPO… --lock FILE`, or with --lock FILE beside a download.',
    });
  }
  const locks = parseLocks(text);
  if (locks !== undefined) return locks;
  throw new FetchError('INTEGRITY', `${path} is not a lockfile that this version of fetch understands`, {
    hint: 'Name a file that `fetch lock` or `--lock` has written, or move this one away and write it anew.',
  });
}

/** Undefined if the text is not a lockfile. */
export function parseLocks(text: string): readonly Lockfile[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(document) || document['version'] !== 1) return undefined;
  const locks = Array.isArray(document['repos']) ? (document['repos'] as unknown[]) : [document];
  return locks.length > 0 && locks.every(isLockfile) ? locks : undefined;
}

function isLockfile(value: unknown): value is Lockfile {
  if (!isRecord(value)) return false;
  const { version, endpoint, repo, revision, commit, files } = value;
  return (
    version === 1 &&
    typeof endpoint === 'string' &&
    isRecord(repo) &&
    ['model', 'dataset', 'space'].includes(String(repo['type'])) &&
    (repo['source'] === undefined || typeof repo['source'] === 'string') &&
    typeof repo['id'] === 'string' &&
    typeof revision === 'string' &&
    typeof commit === 'string' &&
    isRevisionId(commit) &&
    Array.isArray(files) &&
    files.every(isEntry)
  );
}

function isEntry(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { path, size, sha256, oid, xet } = value;
  return (
    typeof path === 'string' &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    (sha256 === undefined || isHex64(sha256)) &&
    typeof oid === 'string' &&
    digestOfOid(oid) !== undefined &&
    (xet === undefined || isHex64(xet))
  );
}

function isHex64(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
