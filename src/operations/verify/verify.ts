import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { HashPool } from '../../hash/hash-pool.ts';
import { FetchError } from '../../model/error.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { endpointOf } from '../../source/naming.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import { inSlices } from '../../store/in-slices.ts';
import { openDirectoryRecords } from '../../store/open-store.ts';
import { localPath } from '../../store/paths/safe-path.ts';
import type { Manifest } from '../../store/records/manifest.ts';
import type { RunContext } from '../../system/run-context.ts';
import { type HubOptions, hubAccess, type RunOptions } from '../options.ts';
import { withRunContext } from '../run.ts';
import { revisionNameOf, type TargetOptions, targetOf } from '../target.ts';
import { compareDigest, compareMetadata, type ExpectedFile, findExtra } from './compare-directory.ts';

/** Called with the progress of a check. Sizes are bytes. */
export interface VerifyProgress {
  /** Before the first file: how many files will be checked, and how many bytes read. */
  planned(files: number, bytes: number): void;
  /** Bytes read since the last call. */
  read(bytes: number): void;
  /** One file is done; `finding` is undefined if it is right. */
  checked(path: string, finding: Finding | undefined): void;
}

/** Which directory to check, and against what. */
export interface VerifyOptions extends Partial<TargetOptions>, HubOptions, RunOptions {
  /** Absolute, or relative to the working directory. */
  readonly directory: string;
  /** Read only files that were not hashed before or have changed since, by size, times and inode. */
  readonly quick?: boolean | undefined;
  /** Called with the progress of the check. */
  readonly watch?: Partial<VerifyProgress> | undefined;
}

/**
 * Compares a directory with its own manifest, without the network; with `repo`, with what the hub lists for a revision of
 * it, for directories that git or `hf` made. A difference is a finding of the report and no error.
 *
 * Rejects with a FetchError: NOT_FOUND if there is no manifest, INTEGRITY if it is damaged, DISK, ABORTED; with `repo`
 * also USAGE, ACCESS and NETWORK. Changes and prints nothing.
 */
export async function verify(options: VerifyOptions): Promise<CheckReport> {
  const { quick = false } = options;
  return await withRunContext(options, async (run) => {
    const directory = resolve(options.directory);
    const { expected, about } =
      options.repo === undefined
        ? expectManifest(directory)
        : await expectListing(directory, { ...options, repo: options.repo }, run);
    return { directory, ...about, quick, ...(await compare(directory, expected, options, run)) };
  });
}

/** What a directory should hold. */
interface Expectation {
  readonly expected: readonly ExpectedFile[];
  readonly about: Pick<CheckReport, 'endpoint' | 'repo' | 'revision' | 'commit'>;
}

function expectManifest(directory: string): Expectation {
  const { endpoint, repo, revision, commit, files } = requireManifest(directory);
  const expected = files.map(({ path, size, sha256 }): ExpectedFile => {
    return { path, size, digest: { algorithm: 'sha256', hex: sha256 } };
  });
  return { expected, about: { endpoint, repo, revision, commit } };
}

/** For a directory that git or `hf` made: what the source lists. */
async function expectListing(
  directory: string,
  options: HubOptions & TargetOptions,
  run: RunContext,
): Promise<Expectation> {
  const access = hubAccess(options);
  const target = targetOf(options, access.endpoint);
  requireDirectory(directory);
  using http = openHttp(access, run);
  const source = openSource(target.repo, { access, run, http });
  const revision = await source.resolve(target.repo, revisionNameOf(target).revision, run.signal);
  run.emit({ type: 'resolved', asked: target.repo, revision });
  const listing = await collectListing(source, revision, run);
  const { repo, name, id: commit } = revision;
  return {
    expected: listing.map(({ path, size, digest }): ExpectedFile => ({ path, size, digest })),
    about: { endpoint: endpointOf(repo, access.endpoint), repo, revision: name, commit },
  };
}

/** Hashes every file, with `quick` only those without a valid record. */
async function compare(
  directory: string,
  expected: readonly ExpectedFile[],
  { quick = false, watch = {} }: VerifyOptions,
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
  const records = quick ? openDirectoryRecords(directory).hashes() : undefined;
  const hash = async (file: ExpectedFile): Promise<void> => {
    const git = file.digest?.algorithm === 'git-sha1';
    const path = localPath(directory, file.path);
    const digests = await hasher.check(path, file.size, { git, onRead }, signal);
    report(file.path, compareDigest(file, digests));
  };
  const hashing: Promise<void>[] = [];
  const compareSlice = (files: readonly ExpectedFile[]): void => {
    for (const file of files) {
      const result = compareMetadata(directory, file, records);
      if (result === undefined) {
        const task = hash(file);
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
  const extra = await findExtra(directory, new Set(expected.map((file) => file.path)), signal);
  return { files: expected.length, bytes, findings: [...inOrder, ...extra] };
}

/** The manifest of a directory. Throws NOT_FOUND without one, INTEGRITY for a damaged one. */
export function requireManifest(directory: string): Manifest {
  requireDirectory(directory);
  const records = openDirectoryRecords(directory);
  const manifest = records.current();
  if (manifest !== undefined) return manifest;
  if (existsSync(records.manifestPath)) {
    throw new FetchError('INTEGRITY', `${records.manifestPath} is damaged, or of a newer version of fetch`, {
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
