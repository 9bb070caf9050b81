/** Silent for this long, a span is believed to be lost and may be taken whole. */
const LOST_MS = 5000;
/** A span without a byte for so long is no slow one: nobody knows when it begins. */
const SILENT_MS = 1000;

/**
 * A stretch of one file that one lane works on. The lane moves `position`; the schedule may lower `end`
 * while the lane is at work. `file` is the caller's number for the file.
 */
export interface Span {
  readonly file: number;
  position: number;
  end: number;
  /** Tries in a row that brought nothing of it, by whichever lane. */
  tried?: number;
}

/** What is known of it besides. */
export interface Work extends Span {
  readonly small: boolean;
  /** A server that ignores ranges sends it all in one: nothing can be taken from it. */
  whole: boolean;
  startedAt: number;
  /** When its request went out last; undefined before. */
  askedAt: number | undefined;
  lastByteAt: number;
  /** Bytes per millisecond, smoothed; 0 until measured. */
  rate: number;
  /** Of the measurement under way; undefined before the first byte, whose wait is no matter of rate. */
  windowStart: number | undefined;
  windowBytes: number;
  /** Silence after which the span counts as lost. */
  patienceMs: number;
}

export interface LaneState extends Readonly<Span> {
  readonly rate: number;
  /** Milliseconds since its last byte. */
  readonly silentMs: number;
}

export function makeWork(file: number, position: number, end: number, small: boolean): Work {
  return {
    file,
    position,
    end,
    small,
    whole: false,
    startedAt: 0,
    askedAt: undefined,
    lastByteAt: 0,
    rate: 0,
    windowStart: undefined,
    windowBytes: 0,
    patienceMs: LOST_MS,
  };
}

export function isLost(work: Work, now: number): boolean {
  return now - work.lastByteAt >= work.patienceMs;
}

/** Bytes per millisecond; falls while nothing comes. */
export function currentRate(work: Work, now: number): number {
  const silent = now - work.lastByteAt;
  return silent > SILENT_MS ? (work.rate * SILENT_MS) / silent : work.rate;
}

/** Milliseconds until a span is done, as it looks; 0 for one that has hardly begun. */
export function timeLeft(work: Work, now: number): number {
  if (isLost(work, now)) return Number.POSITIVE_INFINITY;
  const rate = currentRate(work, now);
  if (rate > 0) return (work.end - work.position) / rate;
  return now - work.lastByteAt > SILENT_MS ? Number.POSITIVE_INFINITY : 0;
}
