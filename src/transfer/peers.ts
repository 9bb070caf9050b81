import type { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import type { Peer } from '../source/source.ts';
import type { Clock } from '../system/clock.ts';
import { onAbort, unlessAborted } from '../system/on-abort.ts';
import { PeerTable } from './scheduling/peer-table.ts';
import { SlowPeers } from './scheduling/slow-peers.ts';

/** How long the first requests wait for the first answer of a peer: a machine nearby needs a few milliseconds. */
const MAX_WAIT_MS = 500;
/** How long they wait for the other peers after that. */
const OTHERS_MS = 50;
/** A peer that has not answered by then is not used. */
const MAX_ANSWER_MS = 5000;

/** What a failed request says about a peer. */
export type PeerFailure = 'lacks the file' | 'is busy' | 'broke off' | 'is of no use';

/** A file, by its number and its name. */
export interface AskedFile {
  readonly number: number;
  readonly file: RemoteFile;
}

/** Judges the failure of a request for file bytes. */
export function peerFailure({ status, unreached, retryable }: FetchError): PeerFailure {
  if (status === 404 || status === 410 || status === 416) return 'lacks the file';
  if (status === 429 || status === 503) return 'is busy';
  return status === undefined && retryable && !unreached ? 'broke off' : 'is of no use';
}

/** The machines that a run takes bytes from before it asks the source, by number. Says once what happens to each of them. */
export class Peers {
  readonly list: readonly Peer[];
  readonly table: PeerTable;
  readonly slow: SlowPeers = new SlowPeers();
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #ended = new AbortController();
  /** Peers whose answer is outstanding. */
  readonly #asking = new Set<number>();
  readonly #toldOfSilence = new Set<number>();
  readonly #toldOfLack = new Set<number>();
  #firstAnswers: Promise<void> = Promise.resolve();
  #revision: Revision | undefined;
  readonly #cancels: (() => void)[] = [];

  constructor(list: readonly Peer[], { clock, emit }: { readonly clock: Clock; readonly emit: Emit }) {
    this.list = list;
    this.table = new PeerTable(list.length);
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Asks every peer for one file. */
  begin(revision: Revision, asked: AskedFile): void {
    this.#revision = revision;
    this.#firstAnswers = new Promise((resolve) => {
      const after = (waitMs: number) => this.#cancels.push(this.#clock.after(waitMs, resolve));
      after(MAX_WAIT_MS);
      const asking = this.list.map(async (_peer, number) => {
        await this.#ask(number, asked);
        if (!this.table.isDropped(number)) after(OTHERS_MS);
      });
      void Promise.all(asking).then(() => resolve());
    });
  }

  /** Ends the requests that are under way. */
  end(): void {
    this.#ended.abort(new Error('the run has ended'));
    for (const cancel of this.#cancels) cancel();
    for (const [number, { address }] of this.list.entries())
      if (this.#asking.has(number)) this.#note(`the peer ${address} did not answer`);
  }

  /** The peer that the next request for a file goes to. Waits a moment for the first answers. */
  async choose(file: number, signal: AbortSignal): Promise<number | undefined> {
    if (this.table.awaited) await unlessAborted(this.#firstAnswers, signal);
    const now = this.#clock.monotonic();
    // One request stays with them: it shows when they become faster.
    if (this.slow.peers.active > 0 && this.slow.areBehind(now)) return undefined;
    return this.table.choose(file, now);
  }

  /** Whether one of them can be asked for a file now, as far as is known. */
  mayHave(file: number): boolean {
    return this.table.awaited || this.table.choose(file, this.#clock.monotonic()) !== undefined;
  }

  /** Acts on a failed request. */
  failed(number: number, { number: file, file: { path } }: AskedFile, error: FetchError): void {
    const failure = peerFailure(error);
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
    this.#note(`the peer ${this.list[number]!.address} is not used any more: ${why}`);
  }

  /** A file with bytes of these peers is wrong: none of them is asked until it is known who sent what is wrong. */
  suspect(numbers: Iterable<number>): void {
    for (const number of numbers) this.table.suspect(number);
  }

  /** The file of these suspects is right after all, or after the bytes of `culprit` were fetched again. */
  judge(numbers: Iterable<number>, culprit: number | undefined, path: string): void {
    if (culprit !== undefined) this.drop(culprit, `it sent wrong bytes of ${path}`);
    for (const number of numbers) this.table.clear(number);
  }

  async #ask(number: number, { number: file, file: asked }: AskedFile): Promise<void> {
    this.#asking.add(number);
    const late = new AbortController();
    const { signal } = this.#ended;
    const stopListening = onAbort(signal, () => late.abort(signal.reason));
    const cancel = this.#clock.after(MAX_ANSWER_MS, () => late.abort(new Error('it does not answer')));
    try {
      const answer = await this.list[number]!.ask(this.#revision!, asked, late.signal);
      if (answer === 'lacks the revision') this.drop(number, 'it does not have this revision');
      this.table.answered(number);
      if (answer === 'lacks it') this.#lacks(number, file, asked.path);
    } catch (error) {
      if (!signal.aborted) this.drop(number, (error as Error).message);
    } finally {
      this.#asking.delete(number);
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
