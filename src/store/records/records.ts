import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import type { ContentIndex } from '../content-index.ts';
import type { TransferNow } from '../held-revision.ts';
import type { Manifest, ManifestEntry } from './manifest.ts';

/** Which repository's files a directory holds. */
export interface DirectoryOwner {
  readonly endpoint: string;
  readonly repo: RepoRef;
  /** The name that the user gave. */
  readonly revision: string;
  readonly commit: string;
  /** Undefined if only an unfinished run is on record. */
  readonly files?: readonly ManifestEntry[];
}

/**
 * Records what a run fetches, and the owner of a directory, until a manifest does. Disposing removes the mark if the manifest has replaced it,
 * or if no file arrived.
 */
export interface OwnerMark extends AsyncDisposable {
  /** Call it when a file has arrived: disposing then keeps the mark unless a manifest has replaced it. */
  keep(): void;
  /** Records what the run does just now, for machines that take bytes from here. */
  tell(now: TransferNow): void;
}

/** A run that is about to fetch. */
export interface Claim {
  readonly endpoint: string;
  /** Names the run to other machines: 16 hex digits. */
  readonly node: string;
  /** What it wants. */
  readonly files: readonly RemoteFile[];
}

/** A revision by name. */
export interface RecordQuery {
  readonly repo: RepoRef;
  /** Branch, tag, commit or the beginning of one. */
  readonly revision: string;
  /** The name may also mean a GGUF quantisation of `main`. */
  readonly mayBeQuantisation?: boolean;
}

/** A revision on record, or why there is none, as the end of a sentence: "DIR has no manifest". */
export type RecordedRevision =
  | {
      readonly revision: Revision;
      readonly listing: Listing;
      /** The name refers to a quantisation of this revision. */
      readonly isQuantisation: boolean;
    }
  | { readonly missing: string };

/** The records of a store. Reading them needs neither the directory lock nor the network. */
export interface Records {
  /** The manifest of a revision; undefined if there is none. */
  manifest(commit: string): Manifest | undefined;
  /** The recorded files of a revision; empty and incomplete if there are none. */
  listing(commit: string): Listing;
  /** The contents that are on disk, by digest. Throws DISK for a repository that the cache cannot hold. */
  contents(): ContentIndex;
  /** Whether other programs find the revision under the requested name. */
  isNamed(revision: Revision): boolean;
  /** The revision that a name refers to. */
  find(query: RecordQuery): RecordedRevision;
  /** The owner of the directory; undefined if there is none, and in a cache, which holds many repositories. */
  owner(): DirectoryOwner | undefined;
  /** Records what is about to be fetched, before the first file arrives. */
  claim(revision: Revision, claim: Claim): Promise<OwnerMark>;
}
