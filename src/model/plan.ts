import { type ByteRange, totalLength } from './byte-range.ts';
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
 * Where the bytes of a piece come from.
 * - `held`: they are on disk, in the part that an earlier run began.
 * - `file`: another file on this machine should have them, from its byte `offset` on. Only the digest of the whole file
 *   tells whether it has: if not, the file comes from the source.
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

/** A part of a file, and where it comes from. */
export interface Piece extends ByteRange {
  /** Held, a local file, or the source. */
  readonly from: PieceOrigin;
}

/**
 * What will be done about one file.
 * - `keep`: nothing to do.
 * - `check`: hash what stands there; keep it if it is right, else transfer.
 * - `transfer`: put the file together from its pieces.
 */
export interface PlannedFile {
  /** `keep`, `check` or `transfer`, as described above. */
  readonly action: 'keep' | 'check' | 'transfer';
  /** As the hub lists it. */
  readonly file: RemoteFile;
  /** True when a file of another content bears the final name now. */
  readonly replaces: boolean;
  /** What a transfer puts the file together from: ascending, without gap or overlap, all of the file. Empty for `keep`. */
  readonly pieces: readonly Piece[];
}

/** The pieces of a file that come from there. */
export function piecesFrom<Kind extends PieceOrigin['kind']>(
  { pieces }: Pick<PlannedFile, 'pieces'>,
  kind: Kind,
): (Piece & { readonly from: Extract<PieceOrigin, { readonly kind: Kind }> })[] {
  return pieces.filter((piece) => piece.from.kind === kind) as never;
}

/** Bytes of a file that come from there. */
export function bytesFrom(planned: Pick<PlannedFile, 'pieces'>, kind: PieceOrigin['kind']): number {
  return totalLength(piecesFrom(planned, kind));
}

/** Absolute path of the first local file that is copied from; undefined if there is none. */
export function copiedFrom(planned: Pick<PlannedFile, 'pieces'>): string | undefined {
  return piecesFrom(planned, 'file')[0]?.from.path;
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
  /** Number of files with the action `transfer` that are not just copied from this machine. */
  readonly fetchFiles: number;
  /** Bytes that are copied from other files on this machine; left out when there are none. They are not among `fetchBytes`. */
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
