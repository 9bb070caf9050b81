import { type ByteRange, totalLength } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';
import { formatBytes, formatCount } from '../model/format.ts';
import { IntervalSet } from '../model/interval-set.ts';
import {
  bytesFrom,
  copiedFrom,
  type Holding,
  type Piece,
  type Plan,
  type PlannedFile,
  type PlanTotals,
} from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';

/** What the target already holds, as the survey of a store reports it. */
export interface TargetState {
  /** By path. A path that is missing here does not exist. */
  readonly holdings: ReadonlyMap<string, Holding>;
  readonly freeBytes: number | undefined;
}

export interface PlanOptions {
  /** Fetch every byte again, including correct files and parts of earlier runs. */
  readonly forceDownload?: boolean;
}

/** A range of a file whose bytes another local file should have. */
export interface LocalRange extends ByteRange {
  /** Absolute path of the other file. */
  readonly path: string;
  /** Offset of the range's first byte in that file. */
  readonly offset: number;
}

const NOTHING: Holding = { kind: 'nothing' };

/**
 * Decides what a run does about each selected file, sorted by path. A file that must be checked first counts
 * as held: it needs neither network nor space unless it proves wrong.
 */
export function makePlan(
  revision: Revision,
  files: readonly RemoteFile[],
  target: TargetState,
  options: PlanOptions = {},
): Plan {
  const sorted = files.toSorted((left, right) => compareText(left.path, right.path));
  const planned: PlannedFile[] = [];
  let spaceNeeded = 0;
  for (const file of sorted) {
    const holding = target.holdings.get(file.path) ?? NOTHING;
    const begun = 'part' in holding ? cleanRanges(holding.part, file.size) : [];
    const decision = options.forceDownload ? decideForced(file, holding) : decide(file, holding, begun);
    planned.push(decision);
    // A part already occupies its space, even if its bytes are fetched again.
    if (decision.action === 'transfer') spaceNeeded += file.size - totalLength(begun);
  }
  return {
    revision,
    files: planned,
    totals: countTotals(planned),
    spaceNeeded,
    spaceFree: target.freeBytes,
  };
}

/**
 * The same plan with local copies in place of transfers: copying within this machine is never slower than the
 * network. `known`: by path, the ranges that other files should have; the first of overlapping ranges counts. What is
 * held stays.
 */
export function withLocalCopies(plan: Plan, known: ReadonlyMap<string, readonly LocalRange[]>): Plan {
  const files = plan.files.map((planned) => {
    const ranges = known.get(planned.file.path);
    if (planned.action !== 'transfer' || ranges === undefined) return planned;
    return { ...planned, pieces: planned.pieces.flatMap((piece) => splitAtCopies(piece, ranges)) };
  });
  return { ...plan, files, totals: countTotals(files) };
}

function splitAtCopies(piece: Piece, ranges: readonly LocalRange[]): readonly Piece[] {
  if (piece.from.kind !== 'remote') return [piece];
  const { start: first, end: last } = piece;
  const covered = new IntervalSet();
  const pieces: Piece[] = [];
  for (const { start, end, path, offset } of ranges) {
    const wanted = { start: Math.max(start, first), end: Math.min(end, last) };
    for (const gap of covered.gaps(wanted.end)) {
      const from = Math.max(gap.start, wanted.start);
      if (from >= gap.end) continue;
      pieces.push({ start: from, end: gap.end, from: { kind: 'file', path, offset: offset + from - start } });
    }
    covered.add(wanted);
  }
  for (const gap of covered.gaps(last)) {
    const start = Math.max(gap.start, first);
    if (start < gap.end) pieces.push({ start, end: gap.end, from: piece.from });
  }
  return pieces.sort((left, right) => left.start - right.start);
}

/** A DISK error if the plan does not fit on the disk; undefined if it does, or if the free space is unknown. */
export function checkSpace(plan: Plan): FetchError | undefined {
  const { spaceNeeded, spaceFree } = plan;
  if (spaceFree === undefined || spaceNeeded <= spaceFree) return undefined;
  const missing = describeBytes(spaceNeeded - spaceFree);
  return new FetchError(
    'DISK',
    `The disk is too small: ${describeBytes(spaceNeeded)} are still to be written, ${describeBytes(spaceFree)} are free.`,
    { hint: `Free ${missing}, choose another --local-dir, or go on anyway with --ignore-space.` },
  );
}

function decide(file: RemoteFile, holding: Holding, begun: readonly ByteRange[]): PlannedFile {
  if (holding.kind === 'whole') return { action: 'keep', file, pieces: [], replaces: false };
  const pieces = piecesOf(file.size, begun);
  if (holding.kind === 'candidate') return { action: 'check', file, pieces, replaces: false };
  return { action: 'transfer', file, pieces, replaces: holding.kind === 'different' };
}

/** Held ranges, and the rest from the source. */
function piecesOf(size: number, held: readonly ByteRange[]): readonly Piece[] {
  const missing = new IntervalSet(held).gaps(size);
  const pieces: Piece[] = [
    ...held.map((range): Piece => ({ ...range, from: { kind: 'held' } })),
    ...missing.map((range): Piece => ({ ...range, from: { kind: 'remote', splittable: true } })),
  ];
  return pieces.sort((left, right) => left.start - right.start);
}

/** Ignores everything that exists. A candidate may hold other content, so it counts as replaced. */
function decideForced(file: RemoteFile, holding: Holding): PlannedFile {
  const replaces = holding.kind === 'different' || holding.kind === 'candidate';
  return { action: 'transfer', file, pieces: piecesOf(file.size, []), replaces };
}

function countTotals(planned: readonly PlannedFile[]): PlanTotals {
  const count = (action: PlannedFile['action']) => planned.filter((one) => one.action === action).length;
  const transfers = planned.filter(({ action }) => action === 'transfer');
  const bytes = planned.reduce((sum, { file }) => sum + file.size, 0);
  const fetchBytes = transfers.reduce((sum, one) => sum + bytesFrom(one, 'remote'), 0);
  const reuseBytes = transfers.reduce((sum, one) => sum + bytesFrom(one, 'file'), 0);
  // A file without a piece to fetch is empty, or only lacks its hash.
  const copied = transfers.filter((one) => copiedFrom(one) !== undefined && bytesFrom(one, 'remote') === 0);
  return {
    files: planned.length,
    bytes,
    heldBytes: bytes - fetchBytes - reuseBytes,
    fetchBytes,
    keepFiles: count('keep'),
    checkFiles: count('check'),
    fetchFiles: transfers.length - copied.length,
    ...(reuseBytes > 0 ? { reuseBytes } : {}),
  };
}

/**
 * Ascending, disjoint and inside the file, whatever a damaged journal says: a total must never be negative,
 * and no byte may count twice.
 */
function cleanRanges(ranges: readonly ByteRange[], size: number): ByteRange[] {
  const clean: ByteRange[] = [];
  for (const range of ranges.toSorted((left, right) => left.start - right.start)) {
    const last = clean.at(-1);
    const start = Math.max(range.start, 0);
    const end = Math.min(range.end, size);
    if (start >= end) continue;
    if (last !== undefined && start <= last.end) {
      clean[clean.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    } else {
      clean.push({ start, end });
    }
  }
  return clean;
}

/** Compares by code unit, so that the order does not depend on the system's language. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** `4,368,438,912 bytes (4.37 GB)`. */
function describeBytes(bytes: number): string {
  const exact = formatCount(bytes, 'byte');
  return bytes < 1000 ? exact : `${exact} (${formatBytes(bytes)})`;
}
