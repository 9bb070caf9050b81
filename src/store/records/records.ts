import type { Listing } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import type { Manifest, ManifestEntry } from './manifest.ts';

/** Whose files a directory holds. */
export interface DirectoryOwner {
  readonly endpoint: string;
  readonly repo: RepoRef;
  /** As it was asked for. */
  readonly revision: string;
  readonly commit: string;
  /** Undefined while only an unfinished run is on record. */
  readonly files?: readonly ManifestEntry[];
}

/** Marks a directory as that of a repository until a manifest does. Disposing of it removes a mark that is not needed. */
export interface OwnerMark extends AsyncDisposable {
  /** A file came: from now on the mark stays unless a manifest replaces it. */
  keep(): void;
}

/** A revision that is asked for by name. */
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
      /** The name means a quantisation of this revision. */
      readonly isQuantisation: boolean;
    }
  | { readonly missing: string };

/** What a store has on record. Reads the disk only, without the directory lock and without the network. */
export interface Records {
  /** The manifest of a revision; undefined if there is none. */
  manifest(commit: string): Manifest | undefined;
  /** The known files of a revision; empty and incomplete if there are none. */
  listing(commit: string): Listing;
  /** Whether other programs find the revision under the name that was asked for. */
  isNamed(revision: Revision): boolean;
  /** The revision that a name means. */
  find(query: RecordQuery): RecordedRevision;
  /** Whose files are here; undefined where that is no question, as in a cache. */
  owner(): DirectoryOwner | undefined;
  /** Marks the place as that of a repository, before the first file comes. */
  claim(revision: Revision, endpoint: string): Promise<OwnerMark>;
}
