import type { ByteRange } from '../../model/byte-range.ts';

/** Files up to this size have a queue of their own, so that their round trips overlap with large ranges. */
export const SMALL_FILE_BYTES: number = 8 * 1024 * 1024;
/** A segment that is silent for this long counts as stalled and may be taken over whole. */
const LOST_MS = 5000;
/** A segment without a byte for this long has no known rate. */
const SILENT_MS = 1000;
/** How long a rate is measured. */
const RATE_WINDOW_MS = 200;
/** A segment that ends sooner is measured if it took at least this long. */
const MIN_RATE_WINDOW_MS = 20;

/**
 * A range of one file that one connection works on. The connection moves `position`; the schedule may lower `end`
 * meanwhile. `file` is the caller's number for the file.
 */
export interface Segment {
  readonly file: number;
  position: number;
  end: number;
  /** Consecutive attempts without progress at `position`, by any connection. */
  tried?: number;
  /** How often in a row its addresses were refused and asked for anew. */
  renewals?: number;
  /** It has asked which chunks it needs, and nothing of it is requested yet: its ends can still move. */
  asking?: boolean;
  /** Between two tries: its silence is our own. */
  waiting?: boolean;
  /** The peer that it is to come from, or `source`; undefined if that is decided with each request. */
  from?: number | 'source' | undefined;
  /** Another run fetches it too: it does not give way to that. */
  insists?: boolean | undefined;
}

/** A missing range of a file. */
export interface MissingRange extends ByteRange {
  /** False if it must come in one request; true if left out. */
  readonly splittable?: boolean;
  /** Bytes that a request for a part of it should have at least, where each edge of a part costs something; 0 if left out. */
  readonly minPartBytes?: number;
}

/** A segment with its statistics. */
export interface TrackedSegment extends Segment {
  /** Bytes when it was assigned. */
  readonly size: number;
  readonly small: boolean;
  /** The server ignores ranges and sends all of it in one response: it cannot be split. */
  whole: boolean;
  startedAt: number;
  lastByteAt: number;
  /** When the active request was sent. */
  askedAt: number;
  /** Bytes per millisecond, smoothed; 0 until measured. */
  rate: number;
  /** Start of the current measurement; undefined before the first byte, because its wait is not part of the rate. */
  windowStart: number | undefined;
  windowBytes: number;
  /** Assigned to a new connection, and no byte has arrived yet. */
  fresh: boolean;
  /** When the active request got its first byte; undefined before. */
  deliversSince: number | undefined;
  /** Silence after which the segment counts as stalled. */
  stallLimitMs: number;
  /** Whether connections may share it. An unsplittable segment is only taken over as a whole. */
  splittable: boolean;
  /** A part with fewer bytes is only cut off if its connection would need long for it. */
  minPartBytes: number;
}

export interface ConnectionState extends Readonly<Segment> {
  readonly rate: number;
  /** Milliseconds since its last byte. */
  readonly silentMs: number;
}

export function trackSegment(file: number, position: number, end: number, small: boolean): TrackedSegment {
  return {
    file,
    position,
    end,
    size: end - position,
    small,
    whole: false,
    startedAt: 0,
    lastByteAt: 0,
    askedAt: 0,
    rate: 0,
    windowStart: undefined,
    windowBytes: 0,
    fresh: false,
    deliversSince: undefined,
    stallLimitMs: LOST_MS,
    splittable: true,
    minPartBytes: 0,
  };
}

/** Another segment of the same file and kind, with its own statistics. */
export function partOf(whole: TrackedSegment, position: number, end: number): TrackedSegment {
  const { file, small, splittable, minPartBytes } = whole;
  return { ...trackSegment(file, position, end, small), splittable, minPartBytes };
}

export function isStalled(work: TrackedSegment, now: number): boolean {
  if (work.waiting === true) return false;
  return now - Math.max(work.lastByteAt, work.askedAt) >= work.stallLimitMs;
}

/** Bytes per millisecond; falls while nothing comes. */
export function currentRate(work: TrackedSegment, now: number): number {
  const silent = now - work.lastByteAt;
  return silent > SILENT_MS ? (work.rate * SILENT_MS) / silent : work.rate;
}

/** Bytes have arrived. Returns the rate since the last measurement, in bytes per millisecond, if it is time for one. */
export function measureRate(work: TrackedSegment, bytes: number, now: number): number | undefined {
  work.windowBytes += bytes;
  const elapsed = now - (work.windowStart ?? now);
  const ended = work.position >= work.end && elapsed >= MIN_RATE_WINDOW_MS;
  if (elapsed < RATE_WINDOW_MS && !ended) return undefined;
  const current = work.windowBytes / elapsed;
  work.rate = work.rate === 0 ? current : 0.6 * work.rate + 0.4 * current;
  work.windowStart = now;
  work.windowBytes = 0;
  return current;
}

/** Bytes per millisecond of all together. */
export function totalRate(segments: Iterable<TrackedSegment>, now: number): number {
  let rate = 0;
  for (const work of segments) rate += currentRate(work, now);
  return rate;
}

export function slowestFirst(segments: readonly TrackedSegment[], now: number): TrackedSegment[] {
  return segments.toSorted((left, right) => currentRate(left, now) - currentRate(right, now));
}

/** Estimated milliseconds until the segment is done; 0 if it has only just started. */
export function timeLeft(work: TrackedSegment, now: number): number {
  if (isStalled(work, now)) return Number.POSITIVE_INFINITY;
  const rate = currentRate(work, now);
  if (rate > 0) return (work.end - work.position) / rate;
  return now - work.lastByteAt > SILENT_MS ? Number.POSITIVE_INFINITY : 0;
}
