import type { ByteRange } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import type { Peer } from '../source/source.ts';
import type { Clock } from '../system/clock.ts';
import type { Notifier } from '../system/notifier.ts';
import { onAbort, unlessAborted } from '../system/on-abort.ts';
import { peerFailure } from './peer-failure.ts';
import type { PeerShares } from './peer-shares.ts';
import { PeerWatch } from './peer-watch.ts';
import { PeerProof } from './scheduling/peer-proof.ts';
import { PeerTable } from './scheduling/peer-table.ts';
import { Relay } from './scheduling/relay.ts';
import { firstPieceOf, pieceBytes } from './scheduling/relay-group.ts';
import type { Choice, Question, RelayFile, WaitingRange } from './scheduling/relay-question.ts';
import { SlowPeers } from './scheduling/slow-peers.ts';

/** How long the first requests wait for the first answer of a peer: a machine nearby needs a few milliseconds. */
const MAX_WAIT_MS = 500;
/** How long they wait for the other peers after that. */
const OTHERS_MS = 50;
/** How long they wait for peers that have nothing yet: a fleet is started at one time. */
const ABSENT_MS = 300;
/** A peer that has not answered by then is not used. */
const MAX_ANSWER_MS = 5000;
/** So long a run whose peers are not there yet begins in a place of its own, in case that they begin with the same files. */
const APART_MS = 1500;
/** With so many connections: what two of them fetch at the same time, one of them gives up. */
const APART_CONNECTIONS = 4;
/** Requests to an unfinished peer at the same time: what it has grows in small parts, and others want them too. */
const MAX_REQUESTS = 4;
/** How often a connection that waits for the proof of a peer looks again: the peer may have become slow meanwhile. */
const PROOF_LOOK_MS = 100;
/** Keeps the process alive while nothing is under way but the wait for others. */
const AWAKE_MS = 1000;

/** A file, by its number and its name. */
export interface AskedFile {
  readonly number: number;
  readonly file: RemoteFile;
}

/** The files of a run. */
export interface FilesOfRun {
  readonly numbers: ReadonlyMap<string, number>;
  get(number: number): RelayFile;
}

interface PeersContext {
  readonly clock: Clock;
  readonly emit: Emit;
  /** Names this run to others. */
  readonly node: string;
  /** Woken when connections that wait for a peer may have something to do. */
  readonly wakeup: Notifier;
}

/** The machines that a run takes bytes from before it asks the source, by number. Says once what happens to each of them. */
export class Peers {
  readonly list: readonly Peer[];
  readonly table: PeerTable;
  /** How the work is shared with those that are unfinished themselves. */
  readonly relay: Relay;
  /** Called when what an unfinished peer has, or does, has changed. */
  onChange: () => void = () => {};
  readonly slow: SlowPeers = new SlowPeers();
  readonly proof: PeerProof = new PeerProof();
  readonly #wakeup: Notifier;
  readonly #node: string;
  readonly #watch: PeerWatch;
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #ended = new AbortController();
  /** Peers whose answer is outstanding. */
  readonly #asking = new Set<number>();
  readonly #toldOfSilence = new Set<number>();
  readonly #toldOfLack = new Set<number>();
  #firstAnswers: Promise<void> = Promise.resolve();
  #settle: () => void = () => {};
  #revision: Revision | undefined;
  #asked: AskedFile | undefined;
  #files: FilesOfRun | undefined;
  #beganAt = 0;
  readonly #cancels: (() => void)[] = [];

  constructor(list: readonly Peer[], { clock, emit, node, wakeup }: PeersContext) {
    this.list = list;
    this.table = new PeerTable(list.length);
    this.relay = new Relay({
      node,
      file: (number) => this.#files!.get(number),
      peersFor: (file, now) =>
        this.table.usable(file, now).map(({ peer, active, busy }) => {
          return { peer, busy: busy || (active >= MAX_REQUESTS && this.relay.has(peer)) };
        }),
    });
    this.#node = node;
    this.#wakeup = wakeup;
    this.#watch = new PeerWatch(clock, list.length);
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Asks every peer for one file. */
  begin(revision: Revision, asked: AskedFile, files: FilesOfRun): void {
    this.#revision = revision;
    this.#asked = asked;
    this.#files = files;
    this.#beganAt = this.#clock.monotonic();
    this.#firstAnswers = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#settleAfter(MAX_WAIT_MS);
    for (const number of this.list.keys()) void this.#begin(number, asked);
    void this.#stayAwake();
  }

  async #begin(number: number, asked: AskedFile): Promise<void> {
    await this.#ask(number, asked);
    if (!this.table.isDropped(number)) this.#settleAfter(this.table.isAbsent(number) ? ABSENT_MS : OTHERS_MS);
    this.#settleIfKnown();
  }

  #settleAfter(waitMs: number): void {
    this.#cancels.push(this.#clock.after(waitMs, () => this.#settle()));
  }

  /** No peer is waited for any more. */
  #settleIfKnown(): void {
    if (!this.table.mayTurnUp) this.#settle();
  }

  async #stayAwake(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) await this.#clock.sleep(AWAKE_MS, signal).catch(() => {});
  }

  /** Ends the requests that are under way. */
  end(): void {
    this.#watch.end();
    this.#ended.abort(new Error('the run has ended'));
    for (const cancel of this.#cancels) cancel();
    for (const [number, { address }] of this.list.entries())
      if (this.#asking.has(number)) this.#note(`the peer ${address} did not answer`);
  }

  /** Waits a moment for the first answers. */
  async answers(signal: AbortSignal): Promise<void> {
    if (this.table.mayTurnUp) await unlessAborted(this.#firstAnswers, signal);
  }

  /** The peer that the next request for a file goes to, of those that have all of it. */
  async choose(file: number, signal: AbortSignal): Promise<number | undefined> {
    await this.answers(signal);
    for (;;) {
      signal.throwIfAborted();
      const choice = this.#choice(file);
      if (choice !== 'wait') return choice;
      await unlessAborted(this.#wakeup.sleep(PROOF_LOOK_MS), signal);
    }
  }

  /** Whether a file is to wait for the proof of peers that have it. Not for the source, which is to be spared. */
  waitsForProof(file: number): boolean {
    if (this.active || this.#files?.get(file).mayComeFromPeers !== true) return false;
    return this.#choice(file, false) === 'wait';
  }

  #choice(file: number, begins = true): number | 'wait' | undefined {
    const now = this.#clock.monotonic();
    // One request stays with them: it shows when they become faster.
    if (this.slow.peers.active > 0 && this.slow.areBehind(now)) return undefined;
    const { size } = this.#files!.get(file);
    let waits = false;
    for (const { peer, busy } of this.table.usable(file, now)) {
      if (busy || this.relay.isUnfinished(peer)) continue;
      if (this.proof.allows(peer, file, size, now)) {
        // At once: other connections choose in the same moment.
        if (begins) this.proof.began(peer, file, size);
        return peer;
      }
      waits = true;
    }
    return waits ? 'wait' : undefined;
  }

  /** Whether the relay decides what connections take. */
  get active(): boolean {
    return this.relay.active || this.#isApart;
  }

  /** What an idle connection takes, if the relay decides. */
  take<Waiting extends WaitingRange>(question: Question<Waiting>): Choice<Waiting> | undefined {
    return this.relay.active ? this.relay.choose(question) : this.#apart(question);
  }

  /** Whether peers that are named have nothing yet: they may begin with the same files at the same time. */
  get #isApart(): boolean {
    const isEarly = this.#files !== undefined && this.#clock.monotonic() - this.#beganAt < APART_MS;
    return isEarly && this.table.allAbsent;
  }

  /** The next bytes from a place on that is hardly that of another run. */
  #apart<Waiting extends WaitingRange>(question: Question<Waiting>): Choice<Waiting> | undefined {
    const { waiting, sourceActive } = question;
    if (sourceActive >= APART_CONNECTIONS) return undefined;
    let first: Waiting | undefined;
    for (const of of waiting) {
      first ??= of;
      if (of.file !== first.file) break;
      const { path, size } = this.#files!.get(of.file);
      const start = Math.max(of.position, firstPieceOf(this.#node, path, size));
      if (start < of.end) return part(of, start, size);
    }
    return first && part(first, first.position, this.#files!.get(first.file).size);
  }

  /** Whether one of them can be asked for a file now, as far as is known. */
  mayHave(file: number): boolean {
    return (
      this.table.awaited ||
      this.relay.active ||
      this.table.choose(file, this.#clock.monotonic()) !== undefined
    );
  }

  /** Acts on a failed request. */
  failed(number: number, { number: file, file: { path } }: AskedFile, error: FetchError): void {
    const failure = peerFailure(error);
    if (failure === 'lacks the file' && this.relay.isUnfinished(number)) {
      // It has lost it since it said so, or finishes it just now.
      const counts = this.relay.doubt(number, file);
      if (counts && !this.table.failed(number)) this.drop(number, 'it does not have what it says');
      return;
    }
    if (failure === 'lacks the file') {
      this.#lacks(number, file, path);
      return;
    }
    const goesOn =
      failure === 'is busy'
        ? this.table.refused(number, error.retryAfterMs, this.#clock.monotonic())
        : failure === 'broke off' && this.table.failed(number);
    if (goesOn) this.#trace(`${error.message}: other requests go on`);
    else this.drop(number, error.message);
  }

  /** A request got no byte for a while. */
  silent(number: number, asked: AskedFile): void {
    const { address } = this.list[number]!;
    const next = this.table.silent(number);
    if (next === 'too often') this.drop(number, 'it stopped sending');
    if (next !== 'ask again') return;
    const message = `the peer ${address} is silent: its part comes from elsewhere until it answers`;
    if (this.#toldOfSilence.has(number)) this.#trace(message);
    else this.#note(message);
    this.#toldOfSilence.add(number);
    void this.#ask(number, asked);
  }

  /** Nothing more is asked of a peer. `why` is shown to people, once. */
  drop(number: number, why: string): void {
    if (this.table.isDropped(number)) return;
    this.table.drop(number);
    this.relay.remove(number);
    this.#wakeup.wake();
    this.onChange();
    this.#note(`the peer ${this.list[number]!.address} is not used any more: ${why}`);
  }

  /** A file with bytes of these peers is wrong: none of them is asked until it is known who sent what is wrong. */
  suspect(numbers: Iterable<number>): void {
    for (const number of numbers) this.table.suspect(number);
    this.#wakeup.wake();
  }

  /** A file is right, at least after the bytes of the culprit were fetched again. */
  judge({ peers, culprit, remaining }: PeerShares, { path, size }: RemoteFile): void {
    if (culprit !== undefined) this.drop(culprit, `it sent wrong bytes of ${path}`);
    for (const number of peers) this.table.clear(number);
    for (const number of remaining) this.proof.matched(number, size);
    this.#wakeup.wake();
  }

  /** A file is finished, or given up. */
  settled(file: number): void {
    this.proof.settled(file);
    this.#wakeup.wake();
  }

  async #ask(number: number, asked: AskedFile): Promise<void> {
    if (!this.table.isAbsent(number)) this.#asking.add(number);
    try {
      await this.#withinTime(async (signal) => {
        const answer = await this.list[number]!.ask(this.#revision!, asked.file, signal);
        if (answer !== 'has it' && (await this.#look(number, signal))) return;
        if (answer === 'lacks the revision') this.#absent(number, 'it does not have this revision');
        else this.table.answered(number);
        if (answer === 'lacks it') this.#lacks(number, asked.number, asked.file.path);
      });
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      if (error instanceof FetchError && error.unreached) this.#absent(number, error.message);
      else this.drop(number, (error as Error).message);
    } finally {
      this.#asking.delete(number);
    }
  }

  /** Asks what an unfinished peer has. False if it is none: it has the revision as ever, or nothing of it. */
  async #look(number: number, signal: AbortSignal): Promise<boolean> {
    const status = await this.list[number]!.status(this.#revision!, signal);
    signal.throwIfAborted();
    if (status === 'complete') this.relay.finish(number);
    if (status === undefined) this.relay.remove(number);
    if (status === undefined || status === 'complete') return false;
    const { node, nodes, files } = status;
    const known = [...files].flatMap(([path, { written, fetching }]) => {
      const file = this.#files!.numbers.get(path);
      if (file === undefined) return [];
      const { size } = this.#files!.get(file);
      const has = written === 'all' ? [{ start: 0, end: size }] : within(size, written);
      return [[file, { written: has, fetching: within(size, fetching) }] as const];
    });
    this.table.answered(number);
    this.relay.update(number, { node, nodes, files: new Map(known) }, this.#clock.monotonic());
    this.onChange();
    this.#settleIfKnown();
    this.#watch.poll(number, status, () => void this.#poll(number));
    return true;
  }

  async #poll(number: number): Promise<void> {
    if (this.table.isDropped(number)) return;
    try {
      // It has finished, or has given up: as a peer of the usual kind it tells.
      if (!(await this.#withinTime((signal) => this.#look(number, signal))))
        await this.#ask(number, this.#asked!);
      this.onChange();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      if (!this.table.failed(number)) this.drop(number, (error as Error).message);
      else this.#watch.again(number, () => void this.#poll(number));
    }
  }

  /** It may have something later. */
  #absent(number: number, why: string): void {
    if (!this.table.isAbsent(number))
      this.#note(`the peer ${this.list[number]!.address} has nothing yet and is asked again: ${why}`);
    this.table.absent(number);
    this.relay.remove(number);
    this.#watch.again(number, () => void this.#ask(number, this.#asked!));
  }

  async #withinTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const { signal } = this.#ended;
    signal.throwIfAborted();
    const stopListening = onAbort(signal, () => late.abort(signal.reason));
    const cancel = this.#clock.after(MAX_ANSWER_MS, () => late.abort(new Error('it does not answer')));
    try {
      return await work(late.signal);
    } finally {
      cancel();
      stopListening();
    }
  }

  #lacks(number: number, file: number, path: string): void {
    this.table.lacks(number, file);
    const { address } = this.list[number]!;
    const isFirst = !this.#toldOfLack.has(number);
    this.#toldOfLack.add(number);
    if (isFirst) this.#note(`the peer ${address} does not have ${path}: it comes from elsewhere`);
    else this.#trace(`the peer ${address} does not have ${path}`);
  }

  #note(message: string): void {
    this.#emit({ type: 'note', message });
  }

  #trace(message: string): void {
    this.#emit({ type: 'trace', message });
  }
}

/** A peer may tell of more than there is. */
function within(size: number, ranges: readonly ByteRange[]): readonly ByteRange[] {
  const real = ranges.filter(({ start }) => start < size);
  return real.map(({ start, end }) => ({ start, end: Math.min(end, size) }));
}

/** Not much at a time: another run may have more of it. */
function part<Waiting extends WaitingRange>(of: Waiting, start: number, size: number): Choice<Waiting> {
  return { of, start, end: Math.min(of.end, start + pieceBytes(size)), from: 'source', insists: false };
}
