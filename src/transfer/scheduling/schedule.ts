import type { ByteRange } from '../../model/byte-range.ts';
import { LinkEstimate } from './link-estimate.ts';
import {
  type ConnectionState,
  currentRate,
  isStalled,
  type Segment,
  type TrackedSegment,
  timeLeft,
  trackSegment,
} from './segment.ts';
import { SegmentQueue } from './segment-queue.ts';
import { splitPoint } from './split-segment.ts';
import { StallClock } from './stall-clock.ts';

const MIB = 1024 * 1024;

/** Files up to this size wait in a line of their own, so that their round trips overlap with large ranges. */
const SMALL_FILE_BYTES = 8 * MIB;
/** A range is cut if it is larger than a connection's share by this factor. */
const WORTH_CUTTING = 1.5;
/** What will be there so soon is not worth stealing, however near the server is. */
const SOON_MS = 1000;
/** A segment that has just started has no estimate. */
const YOUNG_MS = 1500;
const RATE_WINDOW_MS = 200;
/** Work that the active connections finish within this time is not worth a new connection, which starts slowly. */
const WARM_MS = 500;

/** What a connection gets: a segment to work on, and the segment it was cut off from, if any. */
export interface Assignment {
  readonly segment: Segment;
  readonly stolenFrom: Segment | undefined;
}

/** Bytes that are missing of a file. */
export interface MissingRange extends ByteRange {
  /** False if they must come in one request; true if left out. */
  readonly splittable?: boolean;
}

export interface ScheduleOptions {
  /** Bytes per range for a file of this size. */
  readonly rangeSize: (fileBytes: number) => number;
  /** Bytes; ranges are not shared out in smaller pieces than this. */
  readonly smallestRange: number;
  readonly connections: number;
}

/**
 * Which bytes to fetch next: one queue of ranges over all files, the largest file first, small files in
 * between; and, when the queue is empty, the tail of the segment that would take longest. A pure state
 * machine: times are arguments, in milliseconds of one monotonic clock.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #large = new SegmentQueue<TrackedSegment>();
  readonly #small = new SegmentQueue<TrackedSegment>();
  readonly #active = new Set<TrackedSegment>();
  readonly #time = new StallClock();
  readonly #link = new LinkEstimate();
  #smallActive = 0;
  /** Maximum of connections that worked on large files at once: that many are warm. */
  #warm = 0;
  /** Fastest segment lately, in bytes per millisecond: what a thief may hope for. */
  #bestRate = 0;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Nothing is waiting and nothing is under way. */
  get empty(): boolean {
    return this.#large.length === 0 && this.#small.length === 0 && this.#active.size === 0;
  }

  /** Queues what is missing of a file. Call it for files in descending order of size, if there is a choice. */
  add(file: number, fileBytes: number, missing: readonly MissingRange[]): void {
    const small = fileBytes <= SMALL_FILE_BYTES;
    const step = small ? fileBytes : this.#options.rangeSize(fileBytes);
    const queue = small ? this.#small : this.#large;
    for (const { start, end, splittable = true } of missing) {
      if (!splittable && start < end) {
        const whole = trackSegment(file, start, end, small);
        whole.splittable = false;
        queue.append(whole);
        continue;
      }
      // Cut at multiples of the step, so that ranges of a resumed file meet the blocks of its journal.
      for (let from = start; from < end; ) {
        const to = Math.min(end, (Math.floor(from / step) + 1) * step);
        queue.append(trackSegment(file, from, to, small));
        from = to;
      }
    }
  }

  /** What every connection is at, for people who wonder why nothing moves. Rates are bytes per second. */
  describe(monotonic: number): readonly ConnectionState[] {
    const now = this.#timeAt(monotonic);
    return [...this.#active].map((work) => ({
      file: work.file,
      position: work.position,
      end: work.end,
      rate: currentRate(work, now) * 1000,
      silentMs: now - work.lastByteAt,
    }));
  }

  /** Connections at work on large files. */
  get largeConnections(): number {
    return this.#active.size - this.#smallActive;
  }

  /** Connections at work on large files whose first bytes have come. */
  get delivering(): number {
    let count = 0;
    for (const work of this.#active) if (!work.small && work.lastByteAt > work.startedAt) count += 1;
    return count;
  }

  /** Segments of large files beyond the limit, slowest first: their connections are to stop. */
  beyond(count: number, monotonic: number): Segment[] {
    const now = this.#timeAt(monotonic);
    // What comes as one whole answer would have to come again from its start.
    const large = [...this.#active].filter((work) => !work.small && !work.whole);
    large.sort((left, right) => currentRate(left, now) - currentRate(right, now));
    return large.slice(0, Math.max(0, large.length - count));
  }

  /**
   * The next segment for an idle connection; undefined if there is nothing to do for it now. At most `largeLimit`
   * connections work on large files at the same time.
   */
  take(monotonic: number, largeLimit: number = Number.POSITIVE_INFINITY): Assignment | undefined {
    const now = this.#timeAt(monotonic);
    const allowed = this.largeConnections < largeLimit;
    const relief = allowed ? this.#relieve(now) : undefined;
    if (relief !== undefined) return relief;
    const work = this.#next(allowed && !this.#soonTaken(now));
    if (work !== undefined) {
      if (!work.small) {
        const connections = Math.min(this.#options.connections, largeLimit);
        // Half of a connection's share at the most, so that all connections stay busy to the end.
        const half = (work.end - work.position + this.#large.bytes) / (2 * connections);
        this.#large.lengthen(work, Math.min(this.#link.requestBytes, half));
        this.#share(work, connections);
      }
      this.#start(work, now);
      return { segment: work, stolenFrom: undefined };
    }
    return allowed ? this.#steal(now) : undefined;
  }

  /** The small files whose turn comes next, at most `count` of them. */
  *nextSmall(count: number): Generator<number> {
    for (let index = 0; index < count; index += 1) {
      const work = this.#small.at(index);
      if (work === undefined) return;
      yield work.file;
    }
  }

  /** Tells that a connection wrote bytes of its segment. */
  progress(segment: Segment, bytes: number, monotonic: number): void {
    const work = segment as TrackedSegment;
    const now = this.#timeAt(monotonic);
    this.#time.heard(monotonic, now);
    work.lastByteAt = now;
    if (work.windowStart === undefined) {
      work.windowStart = now;
      if (!work.small) this.#link.firstByte(Math.max(0, now - work.askedAt));
      return;
    }
    work.windowBytes += bytes;
    const elapsed = now - work.windowStart;
    if (elapsed < RATE_WINDOW_MS) return;
    const current = work.windowBytes / elapsed;
    work.rate = work.rate === 0 ? current : 0.6 * work.rate + 0.4 * current;
    if (!work.small) this.#link.measured(current);
    work.windowStart = now;
    work.windowBytes = 0;
    this.#bestRate = Math.max(work.rate, this.#bestRate * 0.98);
  }

  /** A connection has ended its segment. The rest of it returns to the head of the queue. */
  release(segment: Segment): void {
    const work = segment as TrackedSegment;
    if (!this.#active.delete(work)) return;
    if (work.small) this.#smallActive -= 1;
    if (work.position >= work.end) return;
    const rest = trackSegment(work.file, work.position, work.end, work.small);
    rest.splittable = work.splittable;
    (work.small ? this.#small : this.#large).giveBack(rest);
  }

  /** A connection asks for its segment, again or for the first time: the server may honour ranges now. */
  ask(segment: Segment, monotonic: number): void {
    const work = segment as TrackedSegment;
    work.whole = false;
    work.waiting = false;
    work.askedAt = this.#timeAt(monotonic);
  }

  /**
   * The server sends the whole file to this connection: the segment becomes `[start, end)` and everything else of
   * that file is taken off. Returns the segments of other connections that are to stop.
   */
  takeWholeFile(segment: Segment, range: ByteRange): Segment[] {
    const work = segment as TrackedSegment;
    const others = this.drop(segment.file).filter((other) => other !== work);
    this.#active.add(work);
    if (work.small) this.#smallActive += 1;
    work.whole = true;
    work.position = range.start;
    work.end = range.end;
    return others;
  }

  /** Takes a file off. Returns its segments under way, which count as released. */
  drop(file: number): Segment[] {
    this.#large.remove(file);
    this.#small.remove(file);
    const stopped = [...this.#active].filter((work) => work.file === file);
    for (const work of stopped) {
      this.#active.delete(work);
      if (work.small) this.#smallActive -= 1;
    }
    return stopped;
  }

  #timeAt(monotonic: number): number {
    return this.#time.at(monotonic, this.#active.size > 1);
  }

  #next(largeAllowed: boolean): TrackedSegment | undefined {
    // While large ranges are waiting, a quarter of the connections at most is spent on round trips for small files.
    const share = Math.max(1, Math.floor(this.#options.connections / 4));
    const largeWaits = largeAllowed && this.#large.length > 0;
    if (this.#small.length > 0 && (!largeWaits || this.#smallActive < share)) return this.#small.take();
    if (!largeWaits) return undefined;
    return this.#large.take();
  }

  /** When less waits than one range for each connection, a connection takes no more than its share: so that all end together. */
  #share(work: TrackedSegment, connections: number): void {
    const { smallestRange } = this.#options;
    const size = work.end - work.position;
    if (!work.splittable || this.#large.length >= connections || size <= smallestRange) return;
    const share = Math.max(smallestRange, (size + this.#large.bytes) / connections);
    const cut = Math.ceil((work.position + share) / MIB) * MIB;
    if (size < WORTH_CUTTING * share || cut >= work.end) return;
    this.#large.giveBack(trackSegment(work.file, cut, work.end, false));
    work.end = cut;
  }

  #start(work: TrackedSegment, now: number): void {
    work.startedAt = now;
    work.lastByteAt = now;
    work.askedAt = now;
    this.#active.add(work);
    if (work.small) this.#smallActive += 1;
    this.#warm = Math.max(this.#warm, this.largeConnections);
  }

  /** Near the end, a segment that would outlast all that waits is cut before that is begun. */
  #relieve(now: number): Assignment | undefined {
    if (this.#large.length === 0 || this.#large.length > this.largeConnections) return undefined;
    const waitMs = this.#waitMs(now);
    return waitMs === undefined ? undefined : this.#steal(now, waitMs + 2 * this.#soonMs, true);
  }

  /** What will be there within this time is not worth a request of its own. */
  get #soonMs(): number {
    return Math.max(SOON_MS, 2 * this.#link.waitMs);
  }

  /** Whether a connection would need a new connection for what the others will soon have taken. */
  #soonTaken(now: number): boolean {
    if (this.largeConnections < this.#warm || this.#large.length > 4 * this.largeConnections) return false;
    const waitMs = this.#waitMs(now);
    return waitMs !== undefined && waitMs < WARM_MS;
  }

  /** How long the connections at work need for all that waits; undefined if they bring nothing. */
  #waitMs(now: number): number | undefined {
    let rate = 0;
    for (const work of this.#active) rate += currentRate(work, now);
    return rate > 0 ? this.#large.bytes / rate : undefined;
  }

  /** From the segment that takes longest, if longer than that. With `sure`, only if that was measured. */
  #steal(now: number, least = this.#soonMs, sure = false): Assignment | undefined {
    const young = Math.max(YOUNG_MS, 2 * this.#link.waitMs);
    let victim: TrackedSegment | undefined;
    let cut = 0;
    let longest = least;
    for (const work of this.#active) {
      if (work.whole || work.position >= work.end || now - work.startedAt < young) continue;
      const left = timeLeft(work, now);
      if (left <= longest || (sure && left === Number.POSITIVE_INFINITY)) continue;
      const split = splitPoint(work, { bestRate: this.#bestRate, waitMs: this.#link.waitMs }, now);
      if (split === undefined) continue;
      victim = work;
      cut = split;
      longest = left;
    }
    if (victim === undefined) return undefined;
    const tail = trackSegment(victim.file, cut, victim.end, victim.small);
    tail.splittable = victim.splittable;
    // Double the stall limit at each takeover: a slow first byte must not cause endless re-requests.
    if (isStalled(victim, now)) tail.stallLimitMs = 2 * victim.stallLimitMs;
    // Tries are counted for the place. To take it over is none: it would use up what others may still need.
    if (cut === victim.position) tail.tried = victim.tried ?? 0;
    victim.end = cut;
    this.#start(tail, now);
    return { segment: tail, stolenFrom: victim };
  }
}
