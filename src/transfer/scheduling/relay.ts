import type { ByteRange } from '../../model/byte-range.ts';
import { ownerOf, pieceBytes } from './relay-group.ts';
import { firstIn, type PeerReport, RelayPeer } from './relay-peer.ts';
import type { AskablePeer, Choice, Question, RelayOptions, WaitingRange } from './relay-question.ts';
import type { Segment } from './segment.ts';

/** Runs farther away are not known: names of runs that have ended must not go round for ever. */
const MAX_HOPS = 8;
/** What others bring within this time is waited for, in milliseconds. */
const WORTH_WAITING_MS = 3000;
/** The same of one request of another run, and of runs that know nothing of this one. */
const MAX_WAIT_MS = 5000;
/** The source must be this many times as fast as other runs to be asked for what they would fetch for us. */
const CLEARLY_FASTER = 3;
/** Without a measurement of the source, a piece is asked for where all the rest would take this long. */
const PROBE_MS = 10_000;
const SURE_PROBE_MS = 30_000;
const PROBE_PART = 0.01;
/** Bytes from the source are counted for this time to know how fast it is, in milliseconds. */
const WINDOW_MS = 1000;
const RATE_WEIGHT = 0.3;
/** Less than this of another run is not worth giving up a request for. */
const MIN_YIELD_BYTES = 256 * 1024;
/** Connections to the source that a run may have in any case, while it shares the work. */
export const MIN_OF_SOURCE: number = 4;
/** Bytes of pieces that one request brings from the source: others wait for the last of them. */
const MERGED_BYTES = 4 * 1024 * 1024;
/** Pieces that one decision looks at. */
const MAX_SCANNED = 20_000;

/** What a look at everything that waits has found. */
interface Findings<Waiting extends WaitingRange> {
  own: Choice<Waiting> | undefined;
  ofPeers: Choice<Waiting> | undefined;
  /** Whether this run owns the piece that it would take from a peer. */
  isOwnOfPeers: boolean;
  /** The last piece that no other run fetches, and the last one that another run does and will for long. */
  free: Choice<Waiting> | undefined;
  claimed: Choice<Waiting> | undefined;
  /** Bytes that no peer has. */
  missing: number;
  /** Runs that share the work, this one among them. */
  runs: number;
}

/**
 * How runs that fetch the same revision share the work: each takes from the source the pieces that it owns, and all others
 * from the runs that have them. It waits for what others fetch, as long as they get on. A pure state machine: peers and files
 * are numbers of the caller, times are arguments, in milliseconds of one monotonic clock.
 */
export class Relay {
  readonly #options: RelayOptions;
  /** Unfinished peers. */
  readonly #peers = new Map<number, RelayPeer>();
  /** Those that were unfinished, and have all of it by now. */
  readonly #finished = new Set<number>();
  /** The source's bytes per millisecond, all requests together; undefined until measured. */
  #sourceRate: number | undefined;
  #windowStart: number | undefined;
  #windowBytes = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Whether a peer is, or was unfinished: without one there is nothing to share. */
  get active(): boolean {
    return this.#peers.size > 0 || this.#finished.size > 0;
  }

  /** Whether a peer shares the work, or has done so. */
  has(peer: number): boolean {
    return this.#peers.has(peer) || this.#finished.has(peer);
  }

  isUnfinished(peer: number): boolean {
    return this.#peers.has(peer);
  }

  update(peer: number, report: PeerReport, now: number): void {
    const known = this.#peers.get(peer) ?? new RelayPeer();
    known.update(report, now);
    // A peer that is this very run has nothing that we lack.
    this.#finished.delete(peer);
    if (report.node === this.#options.node) this.#peers.delete(peer);
    else this.#peers.set(peer, known);
  }

  /** It has all of it, if it was here before. */
  finish(peer: number): void {
    if (this.#peers.delete(peer)) this.#finished.add(peer);
  }

  /** It is gone. */
  remove(peer: number): void {
    this.#peers.delete(peer);
    this.#finished.delete(peer);
  }

  /** A peer did not have what it said. True if that counts as a failure. */
  doubt(peer: number, file: number): boolean {
    return this.#peers.get(peer)?.doubt(file) ?? false;
  }

  /** The runs that this one takes bytes from, by how many hands. */
  nodes(now: number): ReadonlyMap<string, number> {
    const nodes = new Map<string, number>();
    for (const peer of this.#peers.values()) {
      if (!peer.isLive(now)) continue;
      nodes.set(peer.node, 1);
      for (const [node, hops] of peer.nodes) {
        const here = Math.max(1, hops) + 1;
        if (node !== this.#options.node && here <= MAX_HOPS && here < (nodes.get(node) ?? MAX_HOPS + 1))
          nodes.set(node, here);
      }
    }
    return nodes;
  }

  /** Bytes came from the source, over any number of connections. */
  fromSource(bytes: number, now: number): void {
    this.#windowStart ??= now;
    this.#windowBytes += bytes;
    const elapsed = now - this.#windowStart;
    if (elapsed < WINDOW_MS) return;
    const rate = this.#windowBytes / elapsed;
    // A window with a pause in it says nothing.
    if (elapsed < 2 * WINDOW_MS)
      this.#sourceRate =
        this.#sourceRate === undefined ? rate : (1 - RATE_WEIGHT) * this.#sourceRate + RATE_WEIGHT * rate;
    this.#windowStart = undefined;
    this.#windowBytes = 0;
  }

  /** What an idle connection takes. Undefined if it is to wait: for another run, or because nothing is left. */
  choose<Waiting extends WaitingRange>(question: Question<Waiting>): Choice<Waiting> | undefined {
    const found = this.#look(question);
    const { own, ofPeers, runs } = found;
    // Each connection of its own to the source has some bytes on their way that are of no use to anyone yet.
    const share = runs === 1 ? question.connections : Math.ceil(question.connections / (2 * runs));
    if (question.sourceActive >= Math.max(MIN_OF_SOURCE, share)) return ofPeers;
    return own ?? ofPeers ?? this.#help(found, question);
  }

  /**
   * Where requests to the source are to end earlier, because another run has the rest, or fetches it and owns it. `at` may be
   * where the request is.
   */
  yields<S extends Segment>(
    segments: Iterable<S>,
    now: number,
  ): { readonly segment: S; readonly at: number }[] {
    const found: { readonly segment: S; readonly at: number }[] = [];
    for (const segment of segments) {
      if (typeof segment.from === 'number' || segment.position >= segment.end) continue;
      if (!this.#options.file(segment.file).mayComeFromPeers) continue;
      const at = Math.min(this.#held(segment, now), this.#ownedByOthers(segment, now));
      if (at < segment.end) found.push({ segment, at });
    }
    return found;
  }

  /** Where what peers have of a segment begins; its end if they have nothing. */
  #held({ file, position, end }: Segment, now: number): number {
    let at = end;
    for (const { peer } of this.#options.peersFor(file, now)) {
      const run = this.#has(peer, file, position, end);
      const isWorth = run !== undefined && (run.end - run.start >= MIN_YIELD_BYTES || run.end === end);
      if (isWorth) at = Math.min(at, run.start);
    }
    return at;
  }

  /** Where another run fetches what it owns of a segment. */
  #ownedByOthers({ file, position, end, insists }: Segment, now: number): number {
    let at = end;
    if (insists === true) return at;
    const { path, size } = this.#options.file(file);
    const bytes = pieceBytes(size);
    const live = [...this.#peers.values()].filter((peer) => peer.isLive(now));
    // A run that knows nothing of this one brings all of it: what is under way ends soon.
    if (this.#group(file, live).waits)
      return Math.min(end, (Math.floor(position / MIN_YIELD_BYTES) + 2) * MIN_YIELD_BYTES);
    for (const peer of live) {
      const run = firstIn(peer.fetching(file), position, end);
      if (run === undefined) continue;
      const piece = Math.floor(run.start / bytes);
      if (ownerOf([this.#options.node, peer.node], path, piece) === peer.node) at = Math.min(at, run.start);
    }
    return at;
  }

  #knowsUs({ nodes }: RelayPeer): boolean {
    return nodes.has(this.#options.node);
  }

  /** The first bytes of a range that a peer has. */
  #has(peer: number, file: number, from: number, to: number): ByteRange | undefined {
    const unfinished = this.#peers.get(peer);
    return unfinished === undefined ? { start: from, end: to } : firstIn(unfinished.written(file), from, to);
  }

  /** The runs that share the work on a file, this one among them; `waits` if one brings all of it that knows nothing of us. */
  #group(
    file: number,
    live: readonly RelayPeer[],
  ): { readonly nodes: readonly string[]; readonly waits: boolean } {
    const [wanting, others] = [live.filter((peer) => peer.wants(file)), new Set<string>()];
    for (const { nodes } of wanting) for (const [node, hops] of nodes) if (hops < MAX_HOPS) others.add(node);
    const known = wanting.filter((peer) => this.#knowsUs(peer));
    // What others say of a run that is known here does not count.
    for (const { node } of this.#peers.values()) others.delete(node);
    const nodes = new Set([this.#options.node, ...known.map(({ node }) => node), ...others]);
    return { nodes: [...nodes], waits: known.length < wanting.length };
  }

  #look<Waiting extends WaitingRange>(question: Question<Waiting>): Findings<Waiting> {
    const found: Findings<Waiting> = {
      own: undefined,
      ofPeers: undefined,
      isOwnOfPeers: false,
      free: undefined,
      claimed: undefined,
      missing: 0,
      runs: 1,
    };
    let scanned = 0;
    let file = -1;
    let look: ((of: Waiting, piece: ByteRange) => void) | undefined;
    for (const of of question.waiting) {
      if (of.file !== file || look === undefined) look = this.#lookInto(of.file, question, found);
      file = of.file;
      const bytes = pieceBytes(this.#options.file(file).size);
      for (let start = of.position; start < of.end; ) {
        const end = Math.min(of.end, (Math.floor(start / bytes) + 1) * bytes);
        look(of, { start, end });
        start = end;
        scanned += 1;
      }
      // What is waited for only counts where nothing can be done.
      const isEnough = found.own !== undefined && found.ofPeers !== undefined;
      if (isEnough || scanned >= MAX_SCANNED) break;
    }
    return found;
  }

  /** Looks at pieces of one file, in ascending order. */
  #lookInto<Waiting extends WaitingRange>(
    file: number,
    { now, bytes: wanted }: Question<Waiting>,
    found: Findings<Waiting>,
  ): (of: Waiting, piece: ByteRange) => void {
    const { path, size, mayComeFromPeers } = this.#options.file(file);
    const bytes = pieceBytes(size);
    const peers = mayComeFromPeers ? this.#options.peersFor(file, now) : [];
    const live = mayComeFromPeers ? [...this.#peers.values()].filter((peer) => peer.isLive(now)) : [];
    const { nodes, waits } = this.#group(file, live);
    const seen = new Set(live.map(({ node }) => node));
    found.runs = Math.max(found.runs, nodes.length);
    return (of, piece) => {
      const owner = ownerOf(nodes, path, Math.floor(piece.start / bytes));
      const isOwn = owner === this.#options.node;
      const { isHeld, best } = this.#holdersOf(peers, file, piece);
      // Where several runs take from one that does not know them, each begins with other pieces.
      if (best !== undefined && (found.ofPeers === undefined || (isOwn && !found.isOwnOfPeers))) {
        const { peer, start } = best;
        const most = nodes.length > 1 ? piece.end : Math.min(of.end, start + wanted);
        const { end = start } = this.#has(peer, file, start, most) ?? {};
        found.ofPeers = { of, start, end, from: peer, insists: false };
        found.isOwnOfPeers = isOwn;
      }
      const free = this.#freeOf(piece, file, peers, live);
      if (!isHeld) found.missing += piece.end - piece.start;
      if (free === undefined) {
        const leftMs = live.reduce((most, peer) => Math.max(most, peer.leftMs(file, piece.start, now)), 0);
        if (!isHeld && leftMs > MAX_WAIT_MS) found.claimed = { of, ...piece, from: 'source', insists: true };
        return;
      }
      // What a run fetches that is not asked itself, it does not tell.
      const isTold = !waits && owner !== undefined && (isOwn || seen.has(owner));
      found.free = { of, ...free, from: 'source', insists: !isTold };
      if (!isOwn || waits) return;
      const { own } = found;
      if (own === undefined) found.own = { of, ...free, from: 'source', insists: false };
      else if (
        own.of === of &&
        own.end === free.start &&
        free.end - own.start <= Math.min(wanted, MERGED_BYTES)
      )
        found.own = { ...own, end: free.end };
    };
  }

  /** Whether peers have bytes of a piece, and the first of them at a peer that can be asked now. */
  #holdersOf(
    peers: readonly AskablePeer[],
    file: number,
    { start, end }: ByteRange,
  ): {
    readonly isHeld: boolean;
    readonly best: { readonly peer: number; readonly start: number } | undefined;
  } {
    let best: { readonly peer: number; readonly start: number } | undefined;
    let isHeld = false;
    for (const { peer, busy } of peers) {
      const run = this.#has(peer, file, start, end);
      if (run === undefined) continue;
      isHeld = true;
      if (!busy && (best === undefined || run.start < best.start)) best = { peer, start: run.start };
    }
    return { isHeld, best };
  }

  /** The first bytes of a piece that no peer has, and no other run fetches. */
  #freeOf(
    { start: from, end: to }: ByteRange,
    file: number,
    peers: readonly AskablePeer[],
    live: readonly RelayPeer[],
  ): ByteRange | undefined {
    let start = from;
    let end = to;
    for (let moved = true; moved && start < to; ) {
      moved = false;
      end = to;
      const taken = [
        ...peers.map(({ peer }) => this.#has(peer, file, start, to)),
        ...live.map((peer) => firstIn(peer.fetching(file), start, to)),
      ];
      for (const run of taken) {
        if (run === undefined) continue;
        if (run.start > start) end = Math.min(end, run.start);
        else if (run.end > start) {
          start = run.end;
          moved = true;
        }
      }
    }
    return start < end ? { start, end } : undefined;
  }

  /** Nothing is left but what others fetch, or own: takes some of it if that is clearly faster than to wait. */
  #help<Waiting extends WaitingRange>(
    { free, claimed, missing }: Findings<Waiting>,
    { now, sourceActive }: Question<Waiting>,
  ): Choice<Waiting> | undefined {
    const live = [...this.#peers.values()].filter((peer) => peer.isLive(now));
    // Before anything is measured, everything seems to take for ever.
    if (!live.every((peer) => peer.isMeasured)) return undefined;
    const rate = live.reduce((sum, peer) => sum + peer.rate, 0);
    const waitMs = rate > 0 ? missing / rate : Number.POSITIVE_INFINITY;
    if (missing === 0) return undefined;
    if (free === undefined) return claimed;
    if (waitMs <= WORTH_WAITING_MS) return undefined;
    // It says that it fetches it, and its owner leaves it out.
    if (!free.insists) return free;
    if (waitMs <= MAX_WAIT_MS) return undefined;
    if (this.#sourceRate !== undefined)
      return waitMs > (CLEARLY_FASTER * missing) / this.#sourceRate ? free : undefined;
    const isSmall = free.end - free.start <= PROBE_PART * missing;
    const isWorth = waitMs > SURE_PROBE_MS || (waitMs > PROBE_MS && isSmall);
    return isWorth && sourceActive === 0 ? free : undefined;
  }
}
