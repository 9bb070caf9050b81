import type { ByteRange } from '../../src/model/byte-range.ts';
import { IntervalSet } from '../../src/model/interval-set.ts';
import { SMALLEST_RANGE } from '../../src/transfer/range-size.ts';
import { Schedule } from '../../src/transfer/schedule.ts';
import type { Span } from '../../src/transfer/work.ts';

/** How the connection of one lane behaves. Rates are bytes per millisecond. */
export interface LinkModel {
  readonly rate: number;
  /** From the request to its first byte. */
  readonly latencyMs: number;
  /** The connection breaks after every so many bytes; the lane asks again at once. */
  readonly failEveryBytes: number | undefined;
  /** Falls silent once, after so many bytes; the lane gives up after `STALL_MS`. */
  readonly stall: { readonly afterBytes: number } | undefined;
}

export interface SimulatedFile {
  readonly size: number;
  readonly missing: readonly ByteRange[];
}

export interface Simulation {
  readonly files: readonly SimulatedFile[];
  readonly links: readonly LinkModel[];
  readonly rangeSize: (fileBytes: number) => number;
  readonly ignoresRanges?: (file: number) => boolean;
  /** Milliseconds after which file 0 is taken off. */
  readonly dropFirstFileAt?: number;
}

export interface SimulatedRun {
  readonly endedAt: number;
  /** What was written, by file. */
  readonly fetched: readonly IntervalSet[];
  readonly empty: boolean;
  readonly writtenAfterDrop: number;
  /** Lanes that were at small files at once while less than half of the first file was there. */
  readonly mostSmallBesideLarge: number;
}

const TICK_MS = 20;
const STALL_MS = 30_000;
const SMALL_BYTES = 8 * 1024 * 1024;
/** No simulated run takes so long: it would mean that somebody starves. */
const LONGEST_MS = 200_000_000;

class Lane {
  readonly link: LinkModel;
  span: Span | undefined;
  readyAt = 0;
  /** Since the lane began, and since its last failure. */
  bytes = 0;
  sinceFailure = 0;
  stalled = false;
  silentUntil: number | undefined;
  credit = 0;

  constructor(link: LinkModel) {
    this.link = link;
  }

  take(span: Span | undefined, now: number): void {
    this.span = span;
    this.readyAt = now + this.link.latencyMs;
    this.credit = 0;
    this.silentUntil = undefined;
  }
}

/**
 * Lanes with links of any kind work through a schedule in simulated time, as the engine would. Throws when
 * two lanes hold the same byte, when a byte is written twice, and when nothing ever comes of it.
 */
export function simulate(simulation: Simulation): SimulatedRun {
  const { files, links, rangeSize, ignoresRanges = () => false, dropFirstFileAt } = simulation;
  const schedule = new Schedule({ rangeSize, smallestRange: SMALLEST_RANGE, lanes: links.length });
  const fetched = files.map(() => new IntervalSet());
  const absorbed = new Set<number>();
  const lanes = links.map((link) => new Lane(link));
  let dropped = false;
  let writtenAfterDrop = 0;
  let mostSmall = 0;
  let now = 0;

  const order = files.map((_, index) => index).sort((a, b) => files[b]!.size - files[a]!.size);
  for (const index of order) schedule.add(index, files[index]!.size, files[index]!.missing);

  const letGo = (span: Span) => {
    for (const lane of lanes) if (lane.span === span) lane.span = undefined;
    schedule.release(span);
  };

  for (; !schedule.empty; now += TICK_MS) {
    if (now > LONGEST_MS) throw new Error('the run never ends');
    if (!dropped && dropFirstFileAt !== undefined && now >= dropFirstFileAt) {
      dropped = true;
      for (const span of schedule.drop(0)) letGo(span);
    }
    for (const lane of lanes) {
      if (lane.span === undefined) {
        const assignment = schedule.take(now);
        if (assignment === undefined) continue;
        lane.take(assignment.span, now);
        schedule.ask(assignment.span, now);
        const { stolenFrom } = assignment;
        // Nothing was left to it: the engine stops its request.
        if (stolenFrom !== undefined && stolenFrom.position >= stolenFrom.end) letGo(stolenFrom);
        checkHands(lanes);
      }
    }
    const small = lanes.filter(
      (lane) => lane.span !== undefined && files[lane.span.file]!.size <= SMALL_BYTES,
    );
    if (fetched[0]!.size < files[0]!.size / 2) mostSmall = Math.max(mostSmall, small.length);
    for (const lane of lanes) work(lane);
  }
  return {
    endedAt: now,
    fetched,
    empty: schedule.empty,
    writtenAfterDrop,
    mostSmallBesideLarge: mostSmall,
  };

  function work(lane: Lane): void {
    const { link } = lane;
    const span = lane.span;
    if (span === undefined || now + TICK_MS <= lane.readyAt) return;
    if (lane.silentUntil !== undefined) {
      if (now < lane.silentUntil) return;
      // Given up for silence: the lane asks again, and is answered this time.
      lane.take(span, now);
      return;
    }
    if (span.position < span.end && ignoresRanges(span.file) && !absorbed.has(span.file)) {
      absorbed.add(span.file);
      const range = {
        start: fetched[span.file]!.gaps(files[span.file]!.size)[0]!.start,
        end: files[span.file]!.size,
      };
      const from = Math.max(range.start, files[span.file]!.missing[0]!.start);
      for (const other of schedule.absorb(span, { ...range, start: from })) letGo(other);
      checkHands(lanes);
    }
    lane.credit += link.rate * Math.min(TICK_MS, now + TICK_MS - lane.readyAt);
    let count = Math.min(Math.floor(lane.credit), span.end - span.position);
    if (link.stall !== undefined && !lane.stalled && lane.bytes + count >= link.stall.afterBytes) {
      count = Math.min(count, Math.max(0, link.stall.afterBytes - lane.bytes));
      lane.stalled = true;
      lane.silentUntil = now + STALL_MS;
    }
    write(lane, span, count);
    if (span.position >= span.end) {
      lane.span = undefined;
      schedule.release(span);
    } else if (link.failEveryBytes !== undefined && lane.sinceFailure >= link.failEveryBytes) {
      lane.sinceFailure = 0;
      lane.span = undefined;
      // What is left goes back: another lane may have it.
      schedule.release(span);
    }
  }

  function write(lane: Lane, span: Span, count: number): void {
    if (count <= 0) return;
    const range = { start: span.position, end: span.position + count };
    const added = fetched[span.file]!.add(range);
    if (added !== count && !absorbed.has(span.file))
      throw new Error(`written twice: ${JSON.stringify(range)}`);
    if (dropped && span.file === 0) writtenAfterDrop += count;
    span.position += count;
    lane.credit -= count;
    lane.bytes += count;
    lane.sinceFailure += count;
    schedule.progress(span, count, now);
  }
}

/** No byte is in two hands. */
function checkHands(lanes: readonly Lane[]): void {
  const held = lanes
    .flatMap(({ span }) => (span === undefined || span.position >= span.end ? [] : [span]))
    .sort((left, right) => left.file - right.file || left.position - right.position);
  for (let index = 1; index < held.length; index += 1) {
    const [before, after] = [held[index - 1]!, held[index]!];
    if (before.file === after.file && before.end > after.position) {
      throw new Error(`two lanes hold ${after.position}-${before.end} of file ${after.file}`);
    }
  }
}
