import { existsSync, statSync } from 'node:fs';
import { HashPool } from '../../hash/hash-pool.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { openHttp, openSource, type SourceAccess } from '../../source/open-source.ts';
import { inside, MANIFEST_FILE, STATE_DIRECTORY } from '../../store/directory/layout.ts';
import { inSlices } from '../../store/in-slices.ts';
import { localPath } from '../../store/paths/safe-path.ts';
import { HashRecords } from '../../store/records/hash-records.ts';
import { type Manifest, readManifest } from '../../store/records/manifest.ts';
import type { Environment } from '../../system/environment.ts';
import { compareMetadata, type ExpectedFile, findExtra, judge } from './compare-directory.ts';

/** Told what a check does, for bars. Sizes are bytes. */
export interface VerifyProgress {
  /** Before the first file: how many files will be looked at, and bytes read. */
  planned(files: number, bytes: number): void;
  /** Bytes that were read since the last call. */
  read(bytes: number): void;
  /** One file is done; `finding` is undefined if it is right. */
  checked(path: string, finding: Finding | undefined): void;
}

export interface VerifyOptions {
  /** Read only files that were not hashed before or have changed since, by size, times and inode. */
  readonly quick: boolean;
  readonly watch: VerifyProgress;
  readonly signal: AbortSignal;
}

/** Compares a directory with its own manifest. No network. NOT_FOUND if there is none. */
export async function verify(
  directory: string,
  environment: Environment,
  options: VerifyOptions,
): Promise<CheckReport> {
  const { manifest } = requireManifest(directory);
  const expected = manifest.files.map(({ path, size, sha256 }): ExpectedFile => {
    return { path, size, digest: { algorithm: 'sha256', hex: sha256 } };
  });
  const { endpoint, repo, revision, commit } = manifest;
  const about = { directory, endpoint, repo, revision, commit, quick: options.quick };
  return { ...about, ...(await check(directory, expected, environment, options)) };
}

/** What to compare a directory with that has no manifest. */
export interface HubComparison extends SourceAccess {
  readonly repo: RepoRef;
  readonly revision: string;
}

/** Compares a directory that git or `hf` made with what the hub lists. */
export async function verifyAgainstHub(
  directory: string,
  comparison: HubComparison,
  environment: Environment,
  options: VerifyOptions & { readonly emit: Emit },
): Promise<CheckReport> {
  requireDirectory(directory);
  const { emit, signal, quick } = options;
  const http = openHttp(comparison, environment, emit);
  let revision: Revision;
  let listing: readonly RemoteFile[];
  try {
    const source = openSource(comparison.repo, { access: comparison, environment, http, emit });
    revision = await source.resolve(comparison.repo, comparison.revision, signal);
    emit({ type: 'resolved', asked: comparison.repo, revision });
    listing = await collectListing(source, revision, emit, signal);
  } finally {
    http.close();
  }
  const expected = listing.map(({ path, size, digest }): ExpectedFile => ({ path, size, digest }));
  const { repo, name, id: commit } = revision;
  const about = { directory, endpoint: comparison.endpoint, repo, revision: name, commit, quick };
  return { ...about, ...(await check(directory, expected, environment, options)) };
}

async function check(
  directory: string,
  expected: readonly ExpectedFile[],
  environment: Environment,
  options: VerifyOptions,
): Promise<Pick<CheckReport, 'files' | 'bytes' | 'findings'>> {
  const records = options.quick ? new HashRecords(inside(directory, STATE_DIRECTORY)) : undefined;
  const found = await checkFiles(directory, expected, environment, { ...options, records });
  const paths = new Set(expected.map((file) => file.path));
  const extra = await findExtra(directory, paths, options.signal);
  return { ...found, findings: [...found.findings, ...extra] };
}

/** Compares these files of a directory, whatever else it holds. Those that `records` know and nobody touched are not read. */
export async function checkFiles(
  directory: string,
  expected: readonly ExpectedFile[],
  environment: Environment,
  { records, watch, signal }: Omit<VerifyOptions, 'quick'> & { readonly records: HashRecords | undefined },
): Promise<Pick<CheckReport, 'files' | 'bytes' | 'findings'>> {
  const bytes = expected.reduce((sum, file) => sum + file.size, 0);
  watch.planned(expected.length, bytes);
  await using hasher = new HashPool(environment.processors, { inlineBytes: 0 });
  const findings = new Map<string, Finding>();
  const settle = (path: string, finding: Finding | undefined): void => {
    if (finding !== undefined) findings.set(path, finding);
    watch.checked(path, finding);
  };
  const read = async (file: ExpectedFile): Promise<void> => {
    const git = file.digest?.algorithm === 'git-sha1';
    const path = localPath(directory, file.path);
    const digests = await hasher.check(path, file.size, { git, onRead: watch.read }, signal);
    settle(file.path, judge(file, digests));
  };
  const reading: Promise<void>[] = [];
  const look = (files: readonly ExpectedFile[]): void => {
    for (const file of files) {
      const seen = compareMetadata(directory, file, records);
      if (seen === undefined) {
        const one = read(file);
        // All are awaited below; handles a rejection before that.
        one.catch(() => {});
        reading.push(one);
        continue;
      }
      watch.read(file.size);
      settle(file.path, seen === 'right' ? undefined : seen);
    }
  };
  await inSlices(expected, look, signal);
  await Promise.all(reading);
  const inOrder = [...findings.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  return { files: expected.length, bytes, findings: inOrder };
}

/** The manifest of a directory, or an error that says what to do. */
export function requireManifest(directory: string): { manifest: Manifest } {
  requireDirectory(directory);
  const path = inside(directory, MANIFEST_FILE);
  const manifest = readManifest(path);
  if (manifest !== undefined) return { manifest };
  if (existsSync(path)) {
    throw new FetchError('INTEGRITY', `${path} is damaged, or of a newer version of fetch`, {
      hint: 'Compare with the hub instead: fetch verify DIR --repo OWNER/NAME --revision REV.',
    });
  }
  throw new FetchError('NOT_FOUND', `${directory} has no manifest of fetch (.cache/fetch/manifest.json)`, {
    hint: 'If git or hf made it, compare with the hub: fetch verify DIR --repo OWNER/NAME --revision REV.',
  });
}

function requireDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new FetchError('NOT_FOUND', `${directory} is not a directory`, {
    hint: 'Name the directory that holds the files: fetch verify DIR.',
  });
}
