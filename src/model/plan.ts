import { type ByteRange, totalLength } from './byte-range.ts';
import type { RemoteFile } from './remote-file.ts';
import type { Revision } from './repo.ts';

/**
 * What a store holds of one file.
 * - `whole`: the right content, recognised without reading it.
 * - `candidate`: a file of the right size, which must be hashed.
 * - `different`: other content, which will be replaced.
 * - `part`: unfinished, with the ranges that are on disk.
 */
export type Holding =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'whole' }
  | { readonly kind: 'candidate'; readonly part: readonly ByteRange[] }
  | { readonly kind: 'different'; readonly part: readonly ByteRange[] }
  | { readonly kind: 'part'; readonly part: readonly ByteRange[] };

/**
 * Where the bytes of a piece come from.
 * - `held`: they are on disk, in the part of an earlier run.
 * - `file`: another local file should have them, from its byte `offset` on. Only the digest of the whole file shows
 * whether it does; if not, the file comes from the source.
 * - `remote`: the source has them. Unless it is `splittable`, one connection fetches the piece in one request.
 */
export type PieceOrigin =
  | { readonly kind: 'held' }
  | {
      readonly kind: 'file';
      /** Absolute. */
      readonly path: string;
      readonly offset: number;
    }
  | { readonly kind: 'remote'; readonly splittable: boolean };

/** A range of a file, and where it comes from. */
export interface Piece extends ByteRange {
  /** Held, a local file, or the source. */
  readonly from: PieceOrigin;
}

/**
 * What a run does about one file.
 * - `keep`: nothing.
 * - `check`: hash the existing file; keep it if it is right, else transfer.
 * - `transfer`: assemble the file from its pieces.
 */
export interface PlannedFile {
  /** `keep`, `check` or `transfer`, as described above. */
  readonly action: 'keep' | 'check' | 'transfer';
  /** As the source lists it. */
  readonly file: RemoteFile;
  /** Whether a file with other content has the final name now. */
  readonly replaces: boolean;
  /** The pieces of a transfer: ascending, without gaps or overlaps, covering the whole file. Empty for `keep`. */
  readonly pieces: readonly Piece[];
}

/** The pieces of a file with this origin. */
export function piecesFrom<Kind extends PieceOrigin['kind']>(
  { pieces }: Pick<PlannedFile, 'pieces'>,
  kind: Kind,
): (Piece & { readonly from: Extract<PieceOrigin, { readonly kind: Kind }> })[] {
  return pieces.filter((piece) => piece.from.kind === kind) as never;
}

/** Bytes of a file with this origin. */
export function bytesFrom(planned: Pick<PlannedFile, 'pieces'>, kind: PieceOrigin['kind']): number {
  return totalLength(piecesFrom(planned, kind));
}

/** Absolute path of the first local file to copy from; undefined if there is none. */
export function copiedFrom(planned: Pick<PlannedFile, 'pieces'>): string | undefined {
  return piecesFrom(planned, 'file')[0]?.from.path;
}

/** Totals over the files of a plan. */
export interface PlanTotals {
  /** Number of selected files. */
  readonly files: number;
  /** Bytes of all selected files. */
  readonly bytes: number;
  /** Bytes already on disk: kept files and ranges of parts. Files to check count as held. */
  readonly heldBytes: number;
  /** Bytes to fetch from the network, if every checked file proves right. */
  readonly fetchBytes: number;
  /** Number of files with the action `keep`. */
  readonly keepFiles: number;
  /** Number of files with the action `check`. */
  readonly checkFiles: number;
  /** Number of files with the action `transfer`, without those that are only copied from this machine. */
  readonly fetchFiles: number;
  /** Bytes to copy from other local files; left out if there are none. Not included in `fetchBytes`. */
  readonly reuseBytes?: number;
}

/** Everything that a run will do, decided before it does anything. */
export interface Plan {
  /** The resolved revision. */
  readonly revision: Revision;
  /** Every selected file, in the order of the listing. */
  readonly files: readonly PlannedFile[];
  /** Totals over all files. */
  readonly totals: PlanTotals;
  /** Free bytes that the run needs on the disk. */
  readonly spaceNeeded: number;
  /** Free bytes at the target; undefined if the system does not report them. */
  readonly spaceFree: number | undefined;
}
