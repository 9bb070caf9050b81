/** Silent for this long, a segment is believed to be lost and may be taken whole. */
const LOST_MS = 5000;
/** A segment without a byte for this long has no known rate. */
const SILENT_MS = 1000;

/**
 * A stretch of one file that one connection works on. The connection moves `position`; the schedule may lower `end`
 * while the connection is at work. `file` is the caller's number for the file.
 */
export interface Segment {
  readonly file: number;
  position: number;
  end: number;
  /** Tries in a row that brought nothing from `position` on, by whichever connection. */
  tried?: number;
  /** How often in a row its addresses were refused and asked for anew. */
  renewals?: number;
  /** Between two tries: its silence is our own. */
  waiting?: boolean;
}

/** What is known of it besides. */
export interface TrackedSegment extends Segment {
  /** Bytes when it was taken. */
  readonly size: number;
  readonly small: boolean;
  /** A server that ignores ranges sends it all in one: nothing can be taken from it. */
  whole: boolean;
  startedAt: number;
  lastByteAt: number;
  /** When the request under way was sent. */
  askedAt: number;
  /** Bytes per millisecond, smoothed; 0 until measured. */
  rate: number;
  /** Start of the current measurement; undefined before the first byte, because its wait is not part of the rate. */
  windowStart: number | undefined;
  windowBytes: number;
  /** Taken by a connection that had to be opened, and without a byte so far. */
  fresh: boolean;
  /** Since when bytes come to this request; undefined before its first byte. */
  deliversSince: number | undefined;
  /** Silence after which the segment counts as lost. */
  stallLimitMs: number;
  /** Whether connections may share it. One that is not splittable is only taken over as a whole. */
  splittable: boolean;
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
  };
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

/** Milliseconds until a segment is done, as it looks; 0 for one that has hardly begun. */
export function timeLeft(work: TrackedSegment, now: number): number {
  if (isStalled(work, now)) return Number.POSITIVE_INFINITY;
  const rate = currentRate(work, now);
  if (rate > 0) return (work.end - work.position) / rate;
  return now - work.lastByteAt > SILENT_MS ? Number.POSITIVE_INFINITY : 0;
}
