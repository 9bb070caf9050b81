import type { ByteRange } from '../../model/byte-range.ts';
import { IntervalSet } from '../../model/interval-set.ts';

/** A peer that has not grown for this time is not waited for, in milliseconds. */
const STALE_MS = 5000;
/** So long it is measured before its growth counts. */
const MEASURED_MS = 1000;
/** Weight of a new measurement of how fast a peer grows. */
const RATE_WEIGHT = 0.4;

/** So long a request of a peer is watched before its speed counts. */
const WATCHED_MS = 2000;

/** A request of a peer to the source: where it was when it was first seen, and where it is. */
interface Claim extends ByteRange {
  readonly from: number;
  readonly since: number;
}

/** What an unfinished peer says that it has, by file. */
export interface PeerReport {
  /** Names its run. */
  readonly node: string;
  /** The runs that its run takes bytes from, by how many hands. */
  readonly nodes: ReadonlyMap<string, number>;
  /** Files that it wants or has, by their number here. */
  readonly files: ReadonlyMap<number, ReportedFile>;
}

export interface ReportedFile {
  readonly written: readonly ByteRange[];
  readonly fetching: readonly ByteRange[];
}

/** An unfinished peer, as far as it is known: what it has, and how fast that becomes more. */
export class RelayPeer {
  node: string = '';
  nodes: ReadonlyMap<string, number> = new Map();
  /** Bytes per millisecond that it brings from the source, smoothed. */
  rate = 0;
  #written = new Map<number, IntervalSet>();
  #fetching = new Map<number, IntervalSet>();
  #claims = new Map<number, readonly Claim[]>();
  #bytes = 0;
  /** The most that it ever had; before its first report it had nothing, not even a beginning. */
  #most = -1;
  #grewAt = 0;
  #reportedAt: number | undefined;
  #isDoubted = false;
  /** Whether it ever said what it fetches. */
  #tells = false;
  #knownSince: number | undefined;

  update({ node, nodes, files }: PeerReport, now: number): void {
    const isNew = node !== this.node;
    this.node = node;
    this.nodes = nodes;
    let brought = 0;
    for (const [file, { written }] of files)
      brought += overlap(new IntervalSet(written), this.fetching(file));
    this.#written = new Map([...files].map(([file, { written }]) => [file, new IntervalSet(written)]));
    this.#fetching = new Map([...files].map(([file, { fetching }]) => [file, new IntervalSet(fetching)]));
    const before = isNew ? new Map<number, readonly Claim[]>() : this.#claims;
    this.#claims = new Map(
      [...files].map(([file, { fetching }]) => [file, claimsOf(fetching, before.get(file) ?? [], now)]),
    );
    this.#isDoubted = false;
    this.#tells ||= [...files.values()].some(({ fetching }) => fetching.length > 0);
    this.#knownSince ??= now;
    const bytes = [...this.#written.values()].reduce((sum, { size }) => sum + size, 0);
    // By another name, or with less than before, it has not grown: it would be waited for without an end.
    if (bytes > this.#most) this.#grewAt = now;
    this.#most = Math.max(this.#most, bytes);
    if (!isNew && this.#reportedAt !== undefined && now > this.#reportedAt) {
      // A run that says what it fetches also gets bytes from others.
      const grown = this.#tells ? brought : Math.max(0, bytes - this.#bytes);
      const rate = grown / (now - this.#reportedAt);
      this.rate = this.rate === 0 ? rate : (1 - RATE_WEIGHT) * this.rate + RATE_WEIGHT * rate;
    }
    this.#bytes = bytes;
    this.#reportedAt = now;
  }

  /** Whether it has been known long enough to tell how fast it grows. */
  get isMeasured(): boolean {
    return (this.#reportedAt ?? 0) - (this.#knownSince ?? 0) >= MEASURED_MS;
  }

  /** Whether it is worth waiting for. */
  isLive(now: number): boolean {
    return now - this.#grewAt < STALE_MS;
  }

  wants(file: number): boolean {
    return this.#written.has(file);
  }

  written(file: number): IntervalSet {
    return this.#written.get(file) ?? NOTHING;
  }

  fetching(file: number): IntervalSet {
    return this.#fetching.get(file) ?? NOTHING;
  }

  /** How long the request of this peer that brings a byte still needs, in milliseconds; 0 if that is not known. */
  leftMs(file: number, at: number, now: number): number {
    const claim = this.#claims.get(file)?.find(({ start, end }) => start <= at && at < end);
    if (claim === undefined || now - claim.since < WATCHED_MS) return 0;
    return ((claim.end - claim.start) * (now - claim.since)) / (claim.start - claim.from);
  }

  /** It did not have what it said. True for the first time since its last report: many requests of one moment count once. */
  doubt(file: number): boolean {
    this.#written.set(file, new IntervalSet());
    const isFirst = !this.#isDoubted;
    this.#isDoubted = true;
    return isFirst;
  }
}

const NOTHING = new IntervalSet();

/** The same requests as before, which end where they ended, and new ones. */
function claimsOf(fetching: readonly ByteRange[], before: readonly Claim[], now: number): readonly Claim[] {
  const known = new Map(before.map((claim) => [claim.end, claim]));
  return fetching.map(({ start, end }) => {
    const claim = known.get(end);
    return claim === undefined || claim.start > start
      ? { start, end, from: start, since: now }
      : { ...claim, start };
  });
}

/** How many bytes two sets share. */
function overlap(one: IntervalSet, other: IntervalSet): number {
  let sum = 0;
  for (const { start, end } of other.ranges) {
    for (let run = firstIn(one, start, end); run !== undefined; run = firstIn(one, run.end, end))
      sum += run.end - run.start;
  }
  return sum;
}

/** The first byte of the set in `[from, to)`, and the end of its run; undefined if there is none. */
export function firstIn(set: IntervalSet, from: number, to: number): ByteRange | undefined {
  if (from >= to) return undefined;
  const end = set.prefixFrom(from);
  if (end > from) return { start: from, end: Math.min(end, to) };
  const next = set.firstStartFrom(from);
  return next === undefined || next >= to
    ? undefined
    : { start: next, end: Math.min(set.prefixFrom(next), to) };
}
