import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { NamedRef, RepoRef, Revision } from '../model/repo.ts';
import type { Location } from './location.ts';

/** A file that the source's own scanners warn of. */
export interface ScanFinding {
  readonly path: string;
  /** As the source calls it: `unsafe`, `suspicious`, `caution`. */
  readonly level: string;
}

/**
 * Where revisions come from. Implementers keep three promises:
 * - `resolve`, `list`, `branches` and `read` retry their own requests with the one retry loop they were given; `scan` makes one short attempt;
 *   `locate` makes one attempt, because the engine's loop is around it.
 * - A failure is a FetchError: NOT_FOUND, ACCESS, or NETWORK (with `retryable`).
 * - The credential reaches the source's own origin and no other.
 */
export interface Source {
  readonly name: string;
  /** Pins a branch, tag, pull request or (short) commit to a commit. */
  resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision>;
  /** Every file of the revision, folders left out, in the order of the server. */
  list(revision: Revision, signal: AbortSignal): AsyncIterable<RemoteFile>;
  /**
   * Exactly one attempt. Whatever it returns is valid now, not later. With `range` the location may be good for
   * that range only; without it, for any.
   */
  locate(revision: Revision, file: RemoteFile, signal: AbortSignal, range?: ByteRange): Promise<Location>;
  /** Branches and tags, in the order of the server. */
  branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]>;
  /**
   * The bytes of a range, held in memory: for small files and for headers, at most 32 MiB. What lies behind the end of
   * the file is left out. Nothing is checked against a digest.
   */
  read(revision: Revision, file: RemoteFile, range: ByteRange, signal: AbortSignal): Promise<Uint8Array>;
  /** What the source itself found in the files of a revision; undefined where it does not say. */
  scan(revision: Revision, signal: AbortSignal): Promise<readonly ScanFinding[] | undefined>;
}
