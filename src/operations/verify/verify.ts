import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { FetchError, usage } from '../../model/error.ts';
import type { CheckReport } from '../../model/verify-report.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { endpointOf } from '../../source/naming.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import { openDirectoryRecords } from '../../store/open-store.ts';
import type { Manifest } from '../../store/records/manifest.ts';
import type { RunContext } from '../../system/run-context.ts';
import { verifyOllama } from '../ollama/verify.ts';
import { type HubOptions, hubAccess, type RunOptions } from '../options.ts';
import { withRunContext } from '../run.ts';
import { revisionNameOf, type TargetOptions, targetOf } from '../target.ts';
import { compareFiles, type ExpectedFile, findExtra, type VerifyProgress } from './compare-directory.ts';

/** Which directory to check, and against what. */
export interface VerifyOptions extends Partial<TargetOptions>, HubOptions, RunOptions {
  /** Absolute, or relative to the working directory. */
  readonly directory: string;
  /**
   * A model name as `ollama run` takes it: checks that model in the Ollama store whose root is `directory`, instead
   * of a manifest. Excludes `repo` (USAGE).
   */
  readonly ollama?: string | undefined;
  /** Read only files that were not hashed before or have changed since, by size, times and inode. */
  readonly quick?: boolean | undefined;
  /** Called with the progress of the check. */
  readonly watch?: Partial<VerifyProgress> | undefined;
}

/**
 * Compares a directory with its own manifest, without the network; with `repo`, with the hub's listing of a revision,
 * for directories that git or `hf` made. A difference is a finding in the report, not an error.
 *
 * Rejects with a FetchError: NOT_FOUND if there is no manifest, INTEGRITY if it is damaged, DISK, ABORTED; with
 * `repo` also USAGE, ACCESS and NETWORK. Changes and prints nothing.
 */
export async function verify(options: VerifyOptions): Promise<CheckReport> {
  const { quick = false } = options;
  return await withRunContext(options, async (run) => {
    const directory = resolve(options.directory);
    if (options.ollama !== undefined && options.repo !== undefined)
      throw usage('ollama and repo do not go together.', 'See docs/library.md.');
    if (options.ollama !== undefined)
      return await verifyOllama({ models: directory, ...options, ollama: options.ollama }, run);
    const { expected, about } =
      options.repo === undefined
        ? expectManifest(directory)
        : await expectListing(directory, { ...options, repo: options.repo }, run);
    const records = quick ? openDirectoryRecords(directory).hashes() : undefined;
    const found = await compareFiles(directory, expected, { records, watch: options.watch }, run);
    const paths = new Set(expected.map((file) => file.path));
    const extra = await findExtra(directory, paths, run.signal);
    return { directory, ...about, quick, ...found, findings: [...found.findings, ...extra] };
  });
}

/** The expected content of a directory. */
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

/** For a directory that git or `hf` made: the listing of the source. */
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
