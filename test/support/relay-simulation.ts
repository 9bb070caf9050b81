import { BLOCK_BYTES } from '../../src/model/flat-ranges.ts';
import { IntervalSet } from '../../src/model/interval-set.ts';
import { Relay } from '../../src/transfer/scheduling/relay.ts';
import type { PeerReport } from '../../src/transfer/scheduling/relay-peer.ts';
import type { WaitingRange } from '../../src/transfer/scheduling/relay-question.ts';
import type { Segment } from '../../src/transfer/scheduling/segment.ts';

const STEP_MS = 20;
const POLL_MS = 250;
const CONNECTIONS = 16;
const MAX_MS = 3_600_000;

/** A run of the simulation. */
export interface SimulatedRun {
  /** The peers that it names, by their numbers. */
  readonly from: readonly number[];
  /** When it begins, and when it is killed. */
  readonly beginsAt?: number;
  readonly killedAt?: number;
  /** What it gets from the source at most, in bytes per millisecond. */
  readonly sourceRate?: number;
}

interface SimulatedFleet {
  readonly bytes: number;
  readonly runs: readonly SimulatedRun[];
  /** What the source, and each run, can send, in bytes per millisecond. */
  readonly rate: number;
  /** How old reports are when they arrive. */
  readonly latencyMs?: number;
}

/** What the source sent, and when each run had all of it; undefined for one that never had. */
export interface FleetResult {
  readonly sourceBytes: number;
  readonly doneAt: readonly (number | undefined)[];
}

/** Runs that share the work by a `Relay` each, over links that are as simple as can be. In virtual time. */
export function simulateFleet({ bytes, runs, rate, latencyMs = 50 }: SimulatedFleet): FleetResult {
  const nodes = runs.map((run, number) => new Node(number, run, bytes));
  let sourceBytes = 0;
  for (let now = 0; now < MAX_MS; now += STEP_MS) {
    const alive = nodes.filter((node) => node.isAlive(now));
    if (alive.every((node) => node.isDone) && runs.every((run) => (run.beginsAt ?? 0) <= now)) break;
    for (const node of alive) node.look(nodes, now, latencyMs);
    sourceBytes += transmit(nodes, alive, rate);
    for (const node of alive) node.settle(now);
  }
  return { sourceBytes, doneAt: nodes.map(({ doneAt }) => doneAt) };
}

/** Moves the bytes of one step; returns how many came from the source. */
function transmit(nodes: readonly Node[], alive: readonly Node[], rate: number): number {
  const requests = alive.flatMap((node) => node.active.map((segment) => ({ node, segment })));
  const load = new Map<unknown, number>();
  for (const { segment } of requests) load.set(segment.from, (load.get(segment.from) ?? 0) + 1);
  let ofSource = 0;
  for (const { node, segment } of requests) {
    const isOfSource = segment.from === 'source';
    const own = node.active.filter(({ from }) => from === 'source').length;
    const fair = rate / load.get(segment.from)!;
    const most = isOfSource ? Math.min(fair, (node.run.sourceRate ?? rate) / own) : fair;
    // A machine that is not there sends nothing; what was killed still serves.
    const count = Math.min(segment.end - segment.position, Math.ceil(most * STEP_MS));
    if (!isOfSource && !nodes[segment.from as number]!.serves(segment)) continue;
    if (isOfSource) ofSource += count;
    node.receive(segment, count);
  }
  return ofSource;
}

class Node {
  readonly run: SimulatedRun;
  readonly relay: Relay;
  readonly #bytes: number;
  readonly #received = new IntervalSet();
  active: Segment[] = [];
  doneAt: number | undefined;
  #fromSource = 0;
  readonly #number: number;
  /** What it says of itself, the oldest first. */
  readonly #said: { readonly at: number; readonly report: PeerReport }[] = [];
  readonly #nextPoll = new Map<number, number>();

  constructor(number: number, run: SimulatedRun, bytes: number) {
    this.run = run;
    this.#bytes = bytes;
    this.#number = number;
    this.relay = new Relay({
      node: this.#name,
      file: () => ({ path: 'model.bin', size: bytes, mayComeFromPeers: true }),
      peersFor: () =>
        run.from.filter((peer) => this.relay.has(peer)).map((peer) => ({ peer, busy: this.#busy(peer) })),
    });
  }

  get #name(): string {
    return String(this.#number).padStart(16, '0');
  }

  get isDone(): boolean {
    return this.doneAt !== undefined;
  }

  isAlive(now: number): boolean {
    return now >= (this.run.beginsAt ?? 0) && now < (this.run.killedAt ?? Number.POSITIVE_INFINITY);
  }

  serves({ position }: Segment): boolean {
    return this.#received.covers({ start: position, end: position + 1 });
  }

  receive(segment: Segment, count: number): void {
    this.#received.add({ start: segment.position, end: segment.position + count });
    segment.position += count;
    if (segment.from === 'source') this.#fromSource += count;
  }

  /** Asks the peers, and gives work to idle connections. */
  look(nodes: readonly Node[], now: number, latencyMs: number): void {
    for (const peer of this.run.from) this.#poll(peer, nodes[peer]!, now, latencyMs);
    const age = now - (this.run.beginsAt ?? 0);
    while (!this.isDone && this.active.length < CONNECTIONS) {
      const sourceActive = this.active.filter(({ from }) => from === 'source').length;
      // As `Peers`: waits for the first answers, and then begins carefully.
      const isCareful = this.run.from.length > 0 && !this.relay.active && age < 1500;
      if (isCareful && (age < 200 || sourceActive >= 4)) break;
      const question = {
        waiting: this.#waiting(),
        now,
        bytes: 8 << 20,
        sourceActive,
        connections: CONNECTIONS,
      };
      const choice = this.relay.choose(question);
      if (choice === undefined) break;
      const { start, end, from, insists } = choice;
      this.active.push({ file: 0, position: start, end, from, insists });
    }
    this.#say(now);
  }

  /** Requests that have ended leave, and the relay learns how fast the source was. */
  settle(now: number): void {
    this.relay.fromSource(this.#fromSource, now);
    this.#fromSource = 0;
    this.active = this.active.filter(({ position, end }) => position < end);
    if (this.#received.size === this.#bytes) this.doneAt ??= now;
  }

  #busy(peer: number): boolean {
    return this.active.filter(({ from }) => from === peer).length >= 4;
  }

  #poll(peer: number, node: Node, now: number, latencyMs: number): void {
    if (now < (this.#nextPoll.get(peer) ?? 0)) return;
    this.#nextPoll.set(peer, now + (now - (this.run.beginsAt ?? 0) < 2000 ? 100 : POLL_MS));
    if (node.isDone && node.doneAt! + latencyMs < now) {
      this.relay.finish(peer);
      return;
    }
    const report = node.#said.findLast(({ at }) => at + latencyMs <= now)?.report;
    if (report === undefined) return;
    this.relay.update(peer, report, now);
    for (const { segment, at } of this.relay.yields(this.active, now)) segment.end = at;
  }

  #waiting(): WaitingRange[] {
    const taken = new IntervalSet(this.#received.ranges);
    for (const { position, end } of this.active) taken.add({ start: position, end });
    return taken.gaps(this.#bytes).map(({ start, end }) => ({ file: 0, position: start, end }));
  }

  #say(now: number): void {
    const written = this.#received.ranges.flatMap(({ start, end }) => {
      const first = Math.ceil(start / BLOCK_BYTES) * BLOCK_BYTES;
      const last = end === this.#bytes ? end : Math.floor(end / BLOCK_BYTES) * BLOCK_BYTES;
      return first < last ? [{ start: first, end: last }] : [];
    });
    // A run without peers does not say what it fetches.
    const ofSource = this.run.from.length === 0 ? [] : this.active.filter(({ from }) => from === 'source');
    const fetching = ofSource.map(({ position, end }) => {
      return { start: Math.floor(position / BLOCK_BYTES) * BLOCK_BYTES, end };
    });
    const files = new Map([[0, { written, fetching }]]);
    this.#said.push({ at: now, report: { node: this.#name, nodes: this.relay.nodes(now), files } });
    if (this.#said.length > 100) this.#said.shift();
  }
}
