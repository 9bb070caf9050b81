import type { ByteRange } from './byte-range.ts';
import type { RemoteFile } from './remote-file.ts';
import type { Revision } from './repo.ts';

/**
 * What a store already has of one file.
 * - `whole`: the right content stands there and was recognised without reading it.
 * - `candidate`: something of the right size stands there; only hashing it tells.
 * - `different`: another content stands there and will be replaced.
 * - `part`: unfinished, with the ranges that are on disk.
 */
export type Holding =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'whole' }
  | { readonly kind: 'candidate'; readonly part: readonly ByteRange[] }
  | { readonly kind: 'different'; readonly part: readonly ByteRange[] }
  | { readonly kind: 'part'; readonly part: readonly ByteRange[] };

/**
 * What will be done about one file.
 * - `keep`: nothing to do.
 * - `check`: hash what stands there; keep it if it is right, else transfer.
 * - `transfer`: bring the bytes that are not in `held`.
 */
export interface PlannedFile {
  /** `keep`, `check` or `transfer`, as described above. */
  readonly action: 'keep' | 'check' | 'transfer';
  /** As the hub lists it. */
  readonly file: RemoteFile;
  /** Ranges of an unfinished part that are on disk already, ascending and disjoint. */
  readonly held: readonly ByteRange[];
  /** True when a file of another content bears the final name now. */
  readonly replaces: boolean;
  /** Absolute path of a file that should have the same content, to be copied in place of a transfer. */
  readonly reuse?: string;
}

/** Sums over the files of a plan. */
export interface PlanTotals {
  /** Number of selected files. */
  readonly files: number;
  /** Bytes of all selected files. */
  readonly bytes: number;
  /** Bytes that are here already: kept files and ranges of parts. Files to check count as held. */
  readonly heldBytes: number;
  /** Bytes that the network must bring, if every checked file proves right. */
  readonly fetchBytes: number;
  /** Number of files with the action `keep`. */
  readonly keepFiles: number;
  /** Number of files with the action `check`. */
  readonly checkFiles: number;
  /** Number of files with the action `transfer`. */
  readonly fetchFiles: number;
  /** Bytes that are copied from other directories; left out when there are none. They are not among `fetchBytes`. */
  readonly reuseBytes?: number;
}

/** Everything that a run will do, decided before it does anything. */
export interface Plan {
  /** What was resolved. */
  readonly revision: Revision;
  /** Every selected file, in the order of the listing. */
  readonly files: readonly PlannedFile[];
  /** Sums over all files. */
  readonly totals: PlanTotals;
  /** Bytes that the disk must still have room for. */
  readonly spaceNeeded: number;
  /** Bytes free where the files go; undefined where the system does not say. */
  readonly spaceFree: number | undefined;
}
