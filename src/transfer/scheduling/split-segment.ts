import { currentRate, isStalled, partOf, type TrackedSegment, timeLeft } from './segment.ts';

const MIB = 1024 * 1024;

/** Less than this is not worth a request of its own, unless its connection would need so long for it. */
const MIN_STEAL_BYTES = MIB;
const WORTH_MS = 500;
/** The same for fewer bytes than a part should have: each edge of a part costs something. */
const WORTH_EDGE_MS = 2000;
/** Minimum estimate of a new request's wait for its first byte. */
const BEGIN_MS = 100;
/** A connection that would keep less than this should take other work. */
const MIN_KEPT_BYTES = MIB / 16;

/** What the stealing connection can expect: bytes per millisecond, and milliseconds to its first byte. */
export interface Prospect {
  readonly bestRate: number;
  readonly waitMs: number;
}

/** What is stolen: the tail of the segment with the largest time left. */
export interface StealOptions {
  /** Only if it has more milliseconds left than this; what is worth a request if left out. */
  readonly least?: number;
  /** Only if the time left was measured. */
  readonly sure?: boolean;
  /** Only of these segments. */
  readonly among?: Iterable<TrackedSegment>;
}

/**
 * The segment with the largest time left, if that is more than `least`, and where to cut it. With `sure`, only if the time
 * was measured.
 */
export function slowest(
  segments: Iterable<TrackedSegment>,
  prospect: Prospect,
  now: number,
  { least, sure }: { readonly least: number; readonly sure: boolean },
): { readonly victim: TrackedSegment; readonly cut: number } | undefined {
  let found: { readonly victim: TrackedSegment; readonly cut: number } | undefined;
  let longest = least;
  for (const victim of segments) {
    if (victim.whole || victim.position >= victim.end) continue;
    const left = timeLeft(victim, now);
    if (left <= longest || (sure && left === Number.POSITIVE_INFINITY)) continue;
    const cut = splitPoint(victim, prospect, now);
    if (cut === undefined) continue;
    found = { victim, cut };
    longest = left;
  }
  return found;
}

/** Where to cut a segment so that both parts end at about the same time; undefined if it is not worth it. */
export function splitPoint(
  victim: TrackedSegment,
  { bestRate, waitMs }: Prospect,
  now: number,
): number | undefined {
  const { position, end } = victim;
  // A stalled segment keeps nothing.
  if (isStalled(victim, now)) return position;
  if (!victim.splittable) return undefined;
  const remaining = end - position;
  const rate = currentRate(victim, now);
  const hoped = Math.max(rate, bestRate);
  // Without a byte there is no estimate: split in half. A connection that will retry keeps the first half.
  const kept =
    rate === 0 || victim.waiting === true
      ? remaining / 2
      : ((rate * hoped) / (rate + hoped)) * (Math.max(BEGIN_MS, waitMs) + remaining / hoped);
  const taken = remaining - kept;
  if (!isWorthIt(victim, taken, rate)) return undefined;
  if (kept < MIN_KEPT_BYTES) return victim.waiting === true ? undefined : position;
  const cut = Math.ceil(position + kept);
  // Align to a mebibyte, a multiple of the journal's blocks, if that makes little difference.
  const aligned = Math.round(cut / MIB) * MIB;
  const near = Math.abs(aligned - cut) <= kept / 4;
  return near && aligned > position && aligned < end ? aligned : cut;
}

/** What another connection takes over of a segment, which ends at `cut` from now on. */
export function takeTail(victim: TrackedSegment, cut: number, now: number): TrackedSegment {
  const tail = partOf(victim, cut, victim.end);
  // Double the stall limit at each takeover: a slow first byte must not cause endless re-requests.
  if (isStalled(victim, now)) tail.stallLimitMs = 2 * victim.stallLimitMs;
  // Attempts are counted per position. A takeover is not one: it would use up the attempts of the others.
  if (cut === victim.position) tail.tried = victim.tried ?? 0;
  tail.from = victim.from;
  tail.insists = victim.insists;
  victim.end = cut;
  return tail;
}

function isWorthIt({ minPartBytes }: TrackedSegment, bytes: number, rate: number): boolean {
  if (bytes >= Math.max(MIN_STEAL_BYTES, minPartBytes)) return true;
  return rate > 0 && bytes / rate >= (bytes < minPartBytes ? WORTH_EDGE_MS : WORTH_MS);
}
