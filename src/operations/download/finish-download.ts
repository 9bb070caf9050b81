import { FetchError } from '../../model/error.ts';
import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import type { Manifest } from '../../store/records/manifest.ts';
import type { Store } from '../../store/store.ts';
import type { FileFailure, RunResult } from '../../transfer/transfer-context.ts';
import type { DownloadContext } from './download-context.ts';
import type { DownloadOutcome } from './download-options.ts';
import type { DownloadPlan } from './plan-download.ts';
import { findStaleFiles, prune, type StaleFiles } from './prune.ts';
import { lockfileMismatch } from './resolve-lockfile.ts';
import type { Resolution } from './resolver.ts';
import type { ScanAdvice } from './weights-notes.ts';

/** The end of a run that had nothing to execute. Writes nothing. */
export async function finishUnchanged(
  { plan, listing }: DownloadPlan,
  context: DownloadContext,
  advice: ScanAdvice,
): Promise<DownloadOutcome> {
  const { store, resolution } = context;
  await advice.tell();
  const stale = await findPrunable(listing(), context);
  return { revision: resolution.revision, directory: store.directory, plan, fetchedBytes: 0, ...stale };
}

/**
 * The last phase: records what the run fetched, even if not everything, and then prunes. Rejects with the failures of
 * single files, and with INTEGRITY if a file does not have the sha256 in the lockfile.
 */
export async function finishDownload(
  planned: DownloadPlan,
  { fetchedBytes, peerBytes, wireBytes, copiedBytes, failures }: RunResult,
  context: DownloadContext,
  advice: ScanAdvice,
): Promise<DownloadOutcome> {
  const { request, run, store, records, selected } = context;
  const { revision } = context.resolution;
  const { directory } = store;
  const { plan } = planned;
  const listing = planned.listing();
  // Read the records of the last run before `publish` replaces them.
  const stale = failures.length > 0 ? {} : await findPrunable(listing, context);
  await publish(store, { revision, selected }, listing, failures);
  await advice.tell();
  const first = failures[0];
  if (first !== undefined) throw someFailed(first, failures.length, fetchedBytes > 0);
  if (request.lock !== undefined) requireLockedHashes(request.lock, records.manifest(revision.id), selected);
  if (stale.staleFiles !== undefined) await prune(directory, stale.staleFiles, run);
  const peers = request.from.length === 0 ? {} : { peerBytes };
  return { revision, directory, plan, fetchedBytes, ...peers, wireBytes, copiedBytes, ...stale };
}

/** Records what the run fetched, even if not everything. */
export async function publish(
  store: Store,
  { revision, selected }: Pick<Resolution, 'revision' | 'selected'>,
  listing: Listing,
  failures: readonly FileFailure[],
): Promise<void> {
  const failed = new Set(failures.map((failure) => failure.path));
  const files = selected.filter((file) => !failed.has(file.path));
  await store.publish({ revision, files, listing, complete: failures.length === 0 });
}

const KEPT = 'What was fetched is kept: run the same command again.';

/** The failures of a run as one error. `isKept`: the run fetched something, and the hint says so. */
export function someFailed({ error, path }: FileFailure, count: number, isKept: boolean): FetchError {
  const { code, cause, status, hint = '' } = error;
  const isTold = !isKept || code !== 'NETWORK' || hint.includes('is kept');
  if (count === 1 && isTold) return error;
  const message =
    count === 1 ? error.message : `${count} files failed, the first of them ${path}: ${error.message}`;
  return new FetchError(code, message, {
    hint: isTold ? error.hint : `${hint} ${KEPT}`.trim(),
    cause: count === 1 ? cause : error,
    status,
  });
}

/** Empty unless `prune` is set and all files of the revision are known. */
async function findPrunable(
  listing: Listing,
  { request, run, resolution }: DownloadContext,
): Promise<{ staleFiles?: StaleFiles }> {
  if (request.prune !== true) return {};
  if (listing.complete) {
    const { directory } = request;
    return {
      staleFiles: await findStaleFiles(directory, resolution.revision, listing.files, run),
    };
  }
  const message = 'nothing is pruned: which files the revision has is not on record here';
  run.emit({ type: 'note', message });
  return {};
}

/** A git blob id is a sha1: if the lockfile also has a sha256, the content must match that too. */
function requireLockedHashes(
  lockfile: Lockfile,
  manifest: Manifest | undefined,
  selected: readonly RemoteFile[],
): void {
  const found = new Map(manifest?.files.map((file) => [file.path, file.sha256]));
  const expected = new Map(lockfile.files.map((file) => [file.path, file.sha256]));
  for (const { path } of selected) {
    const sha256 = expected.get(path);
    if (sha256 !== undefined && found.get(path) !== sha256) {
      throw lockfileMismatch(lockfile, `${path} has another sha256 than the lock names`);
    }
  }
}
