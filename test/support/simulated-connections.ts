import type { ByteRange } from '../../src/model/byte-range.ts';
import { IntervalSet } from '../../src/model/interval-set.ts';
import type { SegmentSizing } from '../../src/transfer/scheduling/link-estimate.ts';
import { Schedule } from '../../src/transfer/scheduling/schedule.ts';
import type { Segment } from '../../src/transfer/scheduling/segment.ts';

/** How the connection of one connection behaves. Rates are bytes per millisecond. */
export interface LinkModel {
  readonly rate: number;
  /** From the request to its first byte. */
  readonly latencyMs: number;
  /** The connection breaks after every so many bytes; the connection asks again at once. */
  readonly failEveryBytes: number | undefined;
  /** Falls silent once, after so many bytes; the connection gives up after `STALL_MS`. */
  readonly stall: { readonly afterBytes: number } | undefined;
}

export interface SimulatedFile {
  readonly size: number;
  readonly missing: readonly ByteRange[];
}

export interface Simulation {
  readonly files: readonly SimulatedFile[];
  readonly links: readonly LinkModel[];
  /** How long requests are: as the link is measured, if left out. */
  readonly sizing?: SegmentSizing;
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
  /** Connections that were at small files at once while less than half of the first file was there. */
  readonly mostSmallBesideLarge: number;
}

const TICK_MS = 20;
const STALL_MS = 30_000;
const SMALL_BYTES = 8 * 1024 * 1024;
/** No simulated run takes this long: it would mean that a connection starves. */
const MAX_GAP_MS = 200_000_000;

class Connection {
  readonly link: LinkModel;
  segment: Segment | undefined;
  readyAt = 0;
  /** Since the connection began, and since its last failure. */
  bytes = 0;
  sinceFailure = 0;
  stalled = false;
  silentUntil: number | undefined;
  credit = 0;

  constructor(link: LinkModel) {
    this.link = link;
  }

  take(segment: Segment | undefined, now: number): void {
    this.segment = segment;
    this.readyAt = now + this.link.latencyMs;
    this.credit = 0;
    this.silentUntil = undefined;
  }
}

/**
 * Connections with links of any kind work through a schedule in simulated time, as the engine would. Throws when
 * two connections hold the same byte, when a byte is written twice, and when nothing ever comes of it.
 */
export function simulate(simulation: Simulation): SimulatedRun {
  const { files, links, sizing, ignoresRanges = () => false, dropFirstFileAt } = simulation;
  const schedule = new Schedule({ connections: links.length, ...(sizing === undefined ? {} : { sizing }) });
  const fetched = files.map(() => new IntervalSet());
  const absorbed = new Set<number>();
  const connections = links.map((link) => new Connection(link));
  let dropped = false;
  let writtenAfterDrop = 0;
  let mostSmall = 0;
  let now = 0;

  const order = files.map((_, index) => index).sort((a, b) => files[b]!.size - files[a]!.size);
  for (const index of order) schedule.add(index, files[index]!.size, files[index]!.missing);

  const letGo = (segment: Segment) => {
    for (const connection of connections) if (connection.segment === segment) connection.segment = undefined;
    schedule.release(segment);
  };

  for (; !schedule.empty; now += TICK_MS) {
    if (now > MAX_GAP_MS) throw new Error('the run never ends');
    if (!dropped && dropFirstFileAt !== undefined && now >= dropFirstFileAt) {
      dropped = true;
      for (const segment of schedule.drop(0)) letGo(segment);
    }
    for (const connection of connections) {
      if (connection.segment === undefined) {
        const assignment = schedule.take(now);
        if (assignment === undefined) continue;
        connection.take(assignment.segment, now);
        schedule.ask(assignment.segment, now);
        const { stolenFrom } = assignment;
        // Nothing was left to it: the engine stops its request.
        if (stolenFrom !== undefined && stolenFrom.position >= stolenFrom.end) letGo(stolenFrom);
        checkHands(connections);
      }
    }
    const small = connections.filter(
      (connection) => connection.segment !== undefined && files[connection.segment.file]!.size <= SMALL_BYTES,
    );
    if (fetched[0]!.size < files[0]!.size / 2) mostSmall = Math.max(mostSmall, small.length);
    for (const connection of connections) work(connection);
  }
  return {
    endedAt: now,
    fetched,
    empty: schedule.empty,
    writtenAfterDrop,
    mostSmallBesideLarge: mostSmall,
  };

  function work(connection: Connection): void {
    const { link } = connection;
    const segment = connection.segment;
    if (segment === undefined || now + TICK_MS <= connection.readyAt) return;
    if (connection.silentUntil !== undefined) {
      if (now < connection.silentUntil) return;
      // Given up for silence: the connection asks again, and is answered this time.
      connection.take(segment, now);
      return;
    }
    if (segment.position < segment.end && ignoresRanges(segment.file) && !absorbed.has(segment.file)) {
      absorbed.add(segment.file);
      const range = {
        start: fetched[segment.file]!.gaps(files[segment.file]!.size)[0]!.start,
        end: files[segment.file]!.size,
      };
      const from = Math.max(range.start, files[segment.file]!.missing[0]!.start);
      for (const other of schedule.takeWholeFile(segment, { ...range, start: from })) letGo(other);
      checkHands(connections);
    }
    connection.credit += link.rate * Math.min(TICK_MS, now + TICK_MS - connection.readyAt);
    let count = Math.min(Math.floor(connection.credit), segment.end - segment.position);
    if (
      link.stall !== undefined &&
      !connection.stalled &&
      connection.bytes + count >= link.stall.afterBytes
    ) {
      count = Math.min(count, Math.max(0, link.stall.afterBytes - connection.bytes));
      connection.stalled = true;
      connection.silentUntil = now + STALL_MS;
    }
    write(connection, segment, count);
    if (segment.position >= segment.end) {
      connection.segment = undefined;
      schedule.release(segment);
    } else if (link.failEveryBytes !== undefined && connection.sinceFailure >= link.failEveryBytes) {
      connection.sinceFailure = 0;
      connection.segment = undefined;
      // What is left goes back: another connection may have it.
      schedule.release(segment);
    }
  }

  function write(connection: Connection, segment: Segment, count: number): void {
    if (count <= 0) return;
    const range = { start: segment.position, end: segment.position + count };
    const added = fetched[segment.file]!.add(range);
    if (added !== count && !absorbed.has(segment.file))
      throw new Error(`written twice: ${JSON.stringify(range)}`);
    if (dropped && segment.file === 0) writtenAfterDrop += count;
    segment.position += count;
    connection.credit -= count;
    connection.bytes += count;
    connection.sinceFailure += count;
    schedule.progress(segment, count, now);
  }
}

/** No byte is in two hands. */
function checkHands(connections: readonly Connection[]): void {
  const held = connections
    .flatMap(({ segment }) => (segment === undefined || segment.position >= segment.end ? [] : [segment]))
    .sort((left, right) => left.file - right.file || left.position - right.position);
  for (let index = 1; index < held.length; index += 1) {
    const [before, after] = [held[index - 1]!, held[index]!];
    if (before.file === after.file && before.end > after.position) {
      throw new Error(`two connections hold ${after.position}-${before.end} of file ${after.file}`);
    }
  }
}
