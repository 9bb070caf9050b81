import { type ByteRange, totalLength } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';
import { formatBytes, formatCount } from '../model/format.ts';
import type { Holding, Plan, PlannedFile, PlanTotals } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';

/** What is known about the place where the files go. A store's survey is one. */
export interface Surroundings {
  /** By path. A file that is not in it is not there. */
  readonly holdings: ReadonlyMap<string, Holding>;
  readonly freeBytes: number | undefined;
}

export interface PlanOptions {
  /** Fetch every byte again, also of files that are right and of parts that were begun. */
  readonly forceDownload?: boolean;
  /** By path: where the same content stands on this machine. */
  readonly reuse?: ReadonlyMap<string, string>;
}

const NOTHING: Holding = { kind: 'nothing' };

/**
 * Decides what a run does about each selected file, sorted by path. A file that must be checked first counts
 * as held: it needs neither network nor space unless it proves wrong.
 */
export function makePlan(
  revision: Revision,
  files: readonly RemoteFile[],
  hubEnvironment: Surroundings,
  options: PlanOptions = {},
): Plan {
  const sorted = files.toSorted((left, right) => compareText(left.path, right.path));
  const planned: PlannedFile[] = [];
  let spaceNeeded = 0;
  for (const file of sorted) {
    const holding = hubEnvironment.holdings.get(file.path) ?? NOTHING;
    const begun = 'part' in holding ? cleanRanges(holding.part, file.size) : [];
    const decided = options.forceDownload ? decideForced(file, holding) : decide(file, holding, begun);
    const decision = options.forceDownload ? decided : withReuse(decided, options.reuse);
    planned.push(decision);
    // A part takes its room already, even when its bytes are going to be fetched again.
    if (decision.action === 'transfer') spaceNeeded += file.size - totalLength(begun);
  }
  return {
    revision,
    files: planned,
    totals: countTotals(planned),
    spaceNeeded,
    spaceFree: hubEnvironment.freeBytes,
  };
}

/** Says that the plan does not fit on the disk (DISK), or undefined when it does or nobody knows. */
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
  if (holding.kind === 'whole') return { action: 'keep', file, held: [], replaces: false };
  if (holding.kind === 'candidate') return { action: 'check', file, held: begun, replaces: false };
  return { action: 'transfer', file, held: begun, replaces: holding.kind === 'different' };
}

/** A copy within this machine is never slower than the network. */
function withReuse(planned: PlannedFile, reuse: PlanOptions['reuse']): PlannedFile {
  const localCopy = reuse?.get(planned.file.path);
  return localCopy === undefined || planned.action !== 'transfer'
    ? planned
    : { ...planned, reuse: localCopy };
}

/** Nothing of what is there is used. A candidate might hold another content, so it counts as replaced. */
function decideForced(file: RemoteFile, holding: Holding): PlannedFile {
  const replaces = holding.kind === 'different' || holding.kind === 'candidate';
  return { action: 'transfer', file, held: [], replaces };
}

function countTotals(planned: readonly PlannedFile[]): PlanTotals {
  const count = (action: PlannedFile['action']) => planned.filter((one) => one.action === action).length;
  let bytes = 0;
  let fetchBytes = 0;
  let reuseBytes = 0;
  for (const { action, file, held, reuse } of planned) {
    bytes += file.size;
    if (reuse !== undefined) reuseBytes += file.size;
    else if (action === 'transfer') fetchBytes += file.size - totalLength(held);
  }
  return {
    files: planned.length,
    bytes,
    heldBytes: bytes - fetchBytes - reuseBytes,
    fetchBytes,
    keepFiles: count('keep'),
    checkFiles: count('check'),
    fetchFiles: planned.filter((one) => one.action === 'transfer' && one.reuse === undefined).length,
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

/** By code unit, so that the order is the same for every language of the system. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** `4,368,438,912 bytes (4.37 GB)`. */
function describeBytes(bytes: number): string {
  const exact = formatCount(bytes, 'byte');
  return bytes < 1000 ? exact : `${exact} (${formatBytes(bytes)})`;
}
