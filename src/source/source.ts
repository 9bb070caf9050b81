import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { NamedRef, RepoRef, Revision } from '../model/repo.ts';
import type { HttpLocation, Location, XetLocation } from './location.ts';

/** A warning of the source's own scanners about a file. */
export interface ScanFinding {
  readonly path: string;
  /** As the source calls it: `unsafe`, `suspicious`, `caution`. */
  readonly level: string;
}

/** A secret for a source, with its origin, so that a message about an invalid one can name it. */
export interface Credential {
  /** Secret: keep it out of messages, logs and files. */
  readonly value: string;
  /** Option, variable or file that has it, for messages. */
  readonly origin: string;
}

/** Abilities that only some sources have. */
export interface SourceAbilities {
  /** Branches and tags, in the order of the server. */
  branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]>;
  /** Findings of the source's own scanners for a revision; undefined if it has none. Makes one short attempt. */
  scan(revision: Revision, signal: AbortSignal): Promise<readonly ScanFinding[] | undefined>;
  /**
   * The bytes of a range, in memory: for small files and headers, at most 32 MiB. A range may extend beyond the end
   * of the file. Not compared with a digest.
   */
  read(revision: Revision, file: RemoteFile, range: ByteRange, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * A range of a file with a Xet hash as chunks in the content store. Makes one attempt; addresses in the answer are
   * valid now and may expire.
   */
  reconstruct(
    revision: Revision,
    file: RemoteFile,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<XetLocation>;
}

/** Which abilities a source has. Check with `can` before use: a missing ability is not an error to catch. */
export type SourceTraits = { readonly [Ability in keyof SourceAbilities]: boolean };

interface SourceBase {
  /** The key of the source in the table `SOURCES`. */
  readonly kind: string;
  readonly traits: SourceTraits;
  /** Pins a branch, tag, pull request or (short) commit to an immutable id. */
  resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision>;
  /**
   * Names of files that came along with the answer to `resolve`: a hint about what the listing will have. None if the
   * source gives no such hint.
   */
  namesOf?(revision: Revision): readonly string[];
  /** Asks ahead for what `reconstruct` needs of a revision. It is not waited for, and a failure has no effect. */
  expectChunks?(revision: Revision, signal: AbortSignal): void;
  /** Every file of the revision, without directories, in the order of the server. */
  list(revision: Revision, signal: AbortSignal): AsyncIterable<RemoteFile>;
  /**
   * Makes one attempt. The location is valid now and may expire. With `range` it may serve only that range; without
   * it, any. The size of the file is NaN while it is unknown.
   */
  locate(revision: Revision, file: RemoteFile, signal: AbortSignal, range?: ByteRange): Promise<Location>;
}

/**
 * Where revisions come from. Implementers keep three promises:
 * - `resolve`, `list`, `branches` and `read` retry their own requests with the one retry loop they were given; `scan` makes one short attempt;
 *   `locate` makes one attempt, because the engine's loop is around it.
 * - A failure is a FetchError: NOT_FOUND, ACCESS, or NETWORK (with `retryable`).
 * - The credential reaches the source's own origin and no other.
 */
export type Source = SourceBase & Partial<SourceAbilities>;

/**
 * A source with these traits, for implementers: its members include exactly the abilities that the traits promise.
 */
export type SourceWith<Traits extends SourceTraits> = SourceBase & {
  readonly traits: Traits;
} & {
  [Ability in keyof SourceAbilities as Traits[Ability] extends true
    ? Ability
    : never]: SourceAbilities[Ability];
};

/** A source that is known to have an ability. */
export type SourceThatCan<Ability extends keyof SourceAbilities> = Source & Pick<SourceAbilities, Ability>;

/** Whether a source has an ability; if so, the member is there. */
export function can<Ability extends keyof SourceAbilities>(
  source: Source,
  ability: Ability,
): source is SourceThatCan<Ability> {
  return source.traits[ability];
}

/** What a peer answered about a file. */
export type PeerAnswer = 'has it' | 'lacks it' | 'lacks the revision';

/** What an unfinished peer says that it has of a file. */
export interface PeerFile {
  /** What can be had from it. */
  readonly written: readonly ByteRange[] | 'all';
  /** What it is just fetching from the source. */
  readonly fetching: readonly ByteRange[];
}

/** What a peer says that is still fetching a revision, or was. */
export interface PeerStatus {
  /** Names its run. */
  readonly node: string;
  /** The runs that its run takes bytes from, and by how many hands. */
  readonly nodes: ReadonlyMap<string, number>;
  /** The files that it wants, by path. */
  readonly files: ReadonlyMap<string, PeerFile>;
}

/**
 * A machine that may have files of a revision of the Hub: one that runs `fetch serve`, or any mirror that answers
 * `/resolve/`. It gets no token, and nothing that it says or sends is believed: the hash in the listing decides.
 */
export interface Peer {
  /** Its address as it was named, without a slash at the end. */
  readonly address: string;
  /** Where it would have the file; `unfinished`, where it would have what is written of it. Makes no request. */
  locate(revision: Revision, file: RemoteFile, unfinished?: boolean): HttpLocation;
  /** Asks for the first byte of a file that has some, once. Rejects with a FetchError if the answer is of no use. */
  ask(revision: Revision, file: RemoteFile, signal: AbortSignal): Promise<PeerAnswer>;
  /** Asks what it has of a revision that it is fetching; undefined if it knows nothing of that. */
  status(revision: Revision, signal: AbortSignal): Promise<PeerStatus | 'complete' | undefined>;
}
