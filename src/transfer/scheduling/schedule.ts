import type { ByteRange } from '../../model/byte-range.ts';
import { alignSegment } from './align-segment.ts';
import { blockingSegments } from './blocking-segments.ts';
import { DeliveryMeter, type Traffic } from './delivery-meter.ts';
import { timesUntilFree } from './last-requests.ts';
import { LinkEstimate, type SegmentSizing } from './link-estimate.ts';
import {
  type ConnectionState,
  currentRate,
  type MissingRange,
  measureRate,
  partOf,
  type Segment,
  SMALL_FILE_BYTES,
  slowestFirst,
  type TrackedSegment,
  totalRate,
  trackSegment,
} from './segment.ts';
import { SegmentQueue } from './segment-queue.ts';
import { ofSource, type SharedWork } from './shared-work.ts';
import { type StealOptions, slowest, takeTail } from './split-segment.ts';
import { StallClock } from './stall-clock.ts';

const MIB = 1024 * 1024;

/** Segments that end within this time are not worth stealing from, however near the server is. */
const SOON_MS = 1000;
/** A segment younger than this has no estimate. */
const YOUNG_MS = 1500;
/** Work that active connections finish within this time is not worth a new connection, which starts slowly. */
const WARM_MS = 500;

/** Work for a connection: a segment, and the segment it was cut from, if any. */
export interface Assignment {
  readonly segment: Segment;
  readonly stolenFrom: Segment | undefined;
}

export interface ScheduleOptions {
  readonly connections: number;
  /** Decides how long requests are; measured on the link if left out. */
  readonly sizing?: SegmentSizing;
  /** Decides what is taken while other runs share the work. */
  readonly shared?: SharedWork | undefined;
}

/**
 * Which bytes to fetch next: one queue of ranges over all files, largest file first, small files in between. When the
 * queue is empty, the tail of the segment with the largest time left. A pure state machine: times are arguments, in
 * milliseconds of one monotonic clock.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #large = new SegmentQueue<TrackedSegment>();
  readonly #small = new SegmentQueue<TrackedSegment>();
  readonly #active = new Set<TrackedSegment>();
  readonly #time = new StallClock();
  readonly #link: SegmentSizing;
  readonly #delivery = new DeliveryMeter();
  #smallActive = 0;
  /** Maximum of connections that worked on large files at once: this many are warm. */
  #warm = 0;
  /** Connections for large files that have received something. */
  #established = 0;
  /** How far beyond what is written connections may begin, in bytes. */
  #reachBytes = Number.POSITIVE_INFINITY;
  /** Rate of the fastest recent segment, in bytes per millisecond: what a stealing connection can expect. */
  #bestRate = 0;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#link = options.sizing ?? new LinkEstimate();
  }

  /** Nothing is waiting and nothing is active. */
  get empty(): boolean {
    return this.#large.length + this.#small.length + this.#active.size === 0;
  }

  /**
   * Queues what is missing of a file; it is cut when a connection takes a part. Call it in descending order of size
   * where possible.
   */
  add(file: number, fileBytes: number, missing: readonly MissingRange[]): void {
    this.#options.shared?.lookAgain();
    const small = fileBytes <= SMALL_FILE_BYTES;
    const queue = small ? this.#small : this.#large;
    for (const { start, end, splittable = true, minPartBytes = 0 } of missing) {
      if (start >= end) continue;
      const segment = trackSegment(file, start, end, small);
      segment.splittable = splittable;
      segment.minPartBytes = minPartBytes;
      queue.append(segment);
    }
  }

  /** The file system fills gaps with zeros: all connections together stay within so many bytes of what is written. */
  limitReach(bytes: number): void {
    this.#reachBytes = Math.min(this.#reachBytes, bytes);
  }

  /** The large file that comes next. */
  get nextLarge(): number | undefined {
    return this.#large.at(0)?.file;
  }

  /** What waits of a large file is taken next. */
  prefer(file: number): void {
    this.#large.moveToFront(file);
  }

  /** What every connection is doing, for the status dump. Rates are bytes per second. */
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

  /** What the connections for large files do and have received: the input of the adaptive concurrency. */
  traffic(monotonic: number): Traffic {
    const now = this.#timeAt(monotonic);
    let delivering = 0;
    let requestBytes = 0;
    for (const work of this.#active) {
      if (work.small) continue;
      if (work.lastByteAt > work.startedAt) delivering += 1;
      requestBytes += work.size;
    }
    const active = this.largeConnections;
    const rate = this.#link.rate;
    const requestMs = active === 0 || rate === 0 ? 0 : this.#link.waitMs + requestBytes / active / rate;
    return {
      active,
      delivering,
      established: this.#established,
      delivery: this.#delivery.total(now),
      waitMs: this.#link.waitMs,
      requestMs,
    };
  }

  /** Segments of large files beyond the limit, slowest first: their connections must stop. */
  beyond(count: number, monotonic: number): Segment[] {
    // A whole-file response would have to restart from its first byte.
    const large = [...this.#active].filter((work) => !work.small && !work.whole);
    return slowestFirst(large, this.#timeAt(monotonic)).slice(0, Math.max(0, large.length - count));
  }

  /**
   * The next segment for an idle connection; undefined if there is nothing to do now. At most `largeLimit`
   * connections work on large files at the same time. With `isBusy`, what other connections have requested stays
   * with them: it would come no sooner.
   */
  take(
    monotonic: number,
    largeLimit: number = Number.POSITIVE_INFINITY,
    isBusy = false,
  ): Assignment | undefined {
    const now = this.#timeAt(monotonic);
    const allowed = this.largeConnections < largeLimit;
    if (this.#options.shared?.active === true && this.#reachBytes === Number.POSITIVE_INFINITY)
      return this.#takeShared(this.#options.shared, now, largeLimit);
    const relief = allowed && !isBusy ? (this.#relieve(now, largeLimit) ?? this.#unblock(now)) : undefined;
    if (relief !== undefined) return relief;
    const work = this.#next(allowed && !this.#soonTaken(now), largeLimit, now);
    if (work !== undefined) {
      this.#start(work, now);
      return { segment: work, stolenFrom: undefined };
    }
    if (!allowed) return undefined;
    // One that is silent is stolen from all the same.
    return this.#steal(now, isBusy ? { least: Number.MAX_VALUE } : {});
  }

  /** What connections to the source work on. */
  readonly ofSource = (): readonly Segment[] => ofSource(this.#active);
  /** The tail of a segment waits again. */
  giveBack(segment: Segment, at: number): void {
    const work = segment as TrackedSegment;
    if (!this.#active.has(work) || at >= work.end) return;
    (work.small ? this.#small : this.#large).giveBack(partOf(work, at, work.end));
    work.end = at;
  }

  #takeShared(shared: SharedWork, now: number, largeLimit: number): Assignment | undefined {
    const queues = { small: this.#small, large: this.#large, active: this.#active };
    const connections = Math.min(this.#options.connections, largeLimit);
    const limits = { connections, isLargeAllowed: this.largeConnections < largeLimit };
    const segment = shared.take({ ...queues, ...limits, bytes: this.#segmentBytes(largeLimit, now) }, now);
    if (typeof segment === 'string') return segment === 'steal' ? this.#steal(now) : undefined;
    this.#start(segment, now);
    return { segment, stolenFrom: undefined };
  }

  /** The small files that come next, at most `count`. */
  *nextSmall(count: number): Generator<number> {
    for (let index = 0; index < count; index += 1) {
      const work = this.#small.at(index);
      if (work === undefined) return;
      yield work.file;
    }
  }

  /** A connection wrote bytes of its segment. */
  progress(segment: Segment, bytes: number, monotonic: number): void {
    const work = segment as TrackedSegment;
    const now = this.#timeAt(monotonic);
    this.#time.heard(monotonic, now);
    work.lastByteAt = now;
    if (work.windowStart === undefined) {
      work.windowStart = now;
      if (!work.small) this.#firstByte(work, now);
      return;
    }
    if (!work.small) this.#delivery.delivered(bytes);
    const rate = measureRate(work, bytes, now);
    if (rate === undefined) return;
    if (!work.small) this.#link.measured(rate);
    this.#bestRate = Math.max(work.rate, this.#bestRate * 0.98);
  }

  #firstByte(work: TrackedSegment, now: number): void {
    const waitMs = Math.max(0, now - work.askedAt);
    this.#link.firstByte(waitMs, work.fresh);
    this.#delivery.firstByte(work, now);
    if (!work.fresh) return;
    work.fresh = false;
    this.#established += 1;
  }

  /** A connection has ended its segment. The rest of it returns to the head of the queue. */
  release(segment: Segment): void {
    const work = segment as TrackedSegment;
    this.#options.shared?.lookAgain();
    if (!this.#active.has(work)) return;
    this.#deactivate(work);
    if (work.position >= work.end) return;
    const rest = partOf(work, work.position, work.end);
    rest.whole = work.whole;
    (work.small ? this.#small : this.#large).giveBack(rest);
  }

  /** A connection is about to request its segment, for the first time or again: the server may honour ranges now. */
  ask(segment: Segment, monotonic: number): void {
    const work = segment as TrackedSegment;
    work.whole = false;
    work.waiting = false;
    work.askedAt = this.#timeAt(monotonic);
    this.#delivery.ended(work);
    work.windowStart = undefined;
    work.windowBytes = 0;
  }

  /** The chunks that a segment needs go beyond it: takes them whole, where no other connection has requested them. */
  align(segment: Segment, chunks: ByteRange): void {
    const work = segment as TrackedSegment;
    if (!this.#active.has(work)) return;
    alignSegment(work, chunks, { active: this.#active, waiting: work.small ? this.#small : this.#large });
  }

  /**
   * The server sends the whole file to this connection: its segment becomes `[start, end)` and everything else of
   * that file is removed. Returns the segments of other connections, which must stop.
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

  /** Removes a file. Returns its active segments, which count as released. */
  drop(file: number): Segment[] {
    this.#large.remove(file);
    this.#small.remove(file);
    const stopped = [...this.#active].filter((work) => work.file === file);
    for (const work of stopped) this.#deactivate(work);
    return stopped;
  }

  #deactivate(work: TrackedSegment): void {
    this.#active.delete(work);
    this.#delivery.ended(work);
    if (work.small) this.#smallActive -= 1;
  }

  #timeAt(monotonic: number): number {
    return this.#time.at(monotonic, this.#active.size > 1);
  }

  #next(largeAllowed: boolean, largeLimit: number, now: number): TrackedSegment | undefined {
    // While large ranges wait, at most a quarter of the connections is spent on round trips for small files.
    const share = Math.max(1, Math.floor(this.#options.connections / 4));
    const largeWaits = largeAllowed && this.#large.length > 0;
    if (this.#small.length > 0 && (!largeWaits || this.#smallActive < share)) return this.#small.take();
    if (!largeWaits) return undefined;
    // If the server ignores ranges, a part costs as much as the whole.
    const next = this.#large.at(0);
    if (next?.whole === true || next?.splittable === false) return this.#large.take();
    const bytes = Math.max(this.#segmentBytes(largeLimit, now), next?.minPartBytes ?? 0);
    this.#link.taken();
    return this.#large.takePart(bytes, (whole, end) => partOf(whole, whole.position, end));
  }

  /** Bytes that the next connection for a large file takes, if that many wait. */
  #segmentBytes(largeLimit: number, now: number): number {
    const connections = Math.min(this.#options.connections, largeLimit);
    const freeIn = () => timesUntilFree(this.#active, connections, this.#link, now);
    const wanted = this.#link.segmentBytes(this.#large.bytes, connections, freeIn);
    return Math.min(wanted, Math.max(MIB, this.#reachBytes / connections));
  }

  #start(work: TrackedSegment, now: number): void {
    work.startedAt = now;
    work.lastByteAt = now;
    work.askedAt = now;
    this.#active.add(work);
    if (work.small) this.#smallActive += 1;
    work.fresh = !work.small && this.largeConnections > this.#warm;
    this.#warm = Math.max(this.#warm, this.largeConnections);
  }

  /** Near the end, a segment that would outlast everything that waits is split before new work starts. */
  #relieve(now: number, largeLimit: number): Assignment | undefined {
    const soonest = this.#segmentBytes(largeLimit, now) * this.largeConnections;
    if (this.#large.length === 0 || this.#large.bytes > soonest) return undefined;
    const waitMs = this.#waitMs(now);
    return waitMs === undefined
      ? undefined
      : this.#steal(now, { least: waitMs + 2 * this.#soonMs, sure: true });
  }

  /**
   * The hash of a file should not wait for a straggler while others take what comes behind it. Near the end the straggler
   * keeps its segment: with another one it could not be told again in time.
   */
  #unblock(now: number): Assignment | undefined {
    const waitMs = this.#waitMs(now);
    if (waitMs === undefined || waitMs < this.#youngMs) return undefined;
    const among = blockingSegments(this.#active, this.#bestRate, now);
    return among.length === 0 ? undefined : this.#steal(now, { least: 2 * this.#soonMs, sure: true, among });
  }

  /** Before this age a segment has no estimate. */
  get #youngMs(): number {
    return Math.max(YOUNG_MS, 2 * this.#link.waitMs);
  }

  /** What arrives within this time is not worth a request of its own. */
  get #soonMs(): number {
    return Math.max(SOON_MS, 2 * this.#link.waitMs);
  }

  /** Whether this would need a new connection although the active ones will soon have taken everything. */
  #soonTaken(now: number): boolean {
    if (this.largeConnections < this.#warm || this.#large.length === 0) return false;
    const waitMs = this.#waitMs(now);
    return waitMs !== undefined && waitMs < Math.max(WARM_MS, this.#link.waitMs);
  }

  /** How long the active connections need for everything that waits; undefined if they receive nothing. */
  #waitMs(now: number): number | undefined {
    const rate = totalRate(this.#active, now);
    return rate > 0 ? this.#large.bytes / rate : undefined;
  }

  #steal(now: number, options: StealOptions = {}): Assignment | undefined {
    const { least = this.#soonMs, sure = false, among = this.#active } = options;
    const prospect = { bestRate: this.#bestRate, waitMs: this.#link.waitMs };
    // A request to a peer ends by itself if the peer is silent.
    const old = [...among].filter(
      (work) => now - work.startedAt >= this.#youngMs && typeof work.from !== 'number',
    );
    const found = slowest(old, prospect, now, { least, sure });
    if (found === undefined) return undefined;
    const tail = takeTail(found.victim, found.cut, now);
    this.#start(tail, now);
    return { segment: tail, stolenFrom: found.victim };
  }
}
