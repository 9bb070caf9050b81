import { StallWatch } from '../http/stall-watch.ts';
import { rangeLength } from '../model/byte-range.ts';
import { FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { Peers } from './peers.ts';
import type { RunState } from './run-state.ts';
import { countWritten, type SegmentRequest } from './segment-request.ts';

/** A request to a peer without a byte for this time is given up: the source can be asked instead. In milliseconds. */
const SILENT_MS = 1500;

/** A request ends before its time, and the source brings the rest. */
const LEFT = new Error('the peer is left');

const SILENCE = new FetchError('NETWORK', 'the peer is silent', { hint: 'See that it is not overloaded.' });

/** Asks peers for segments of files. A failure only means that the bytes come from elsewhere. */
export class PeerRequests {
  readonly #revision: Revision;
  readonly #run: RunState;
  readonly #peers: Peers;

  constructor(revision: Revision, run: RunState, peers: Peers) {
    this.#revision = revision;
    this.#run = run;
    this.#peers = peers;
  }

  /** Makes one request. False if no peer is to be asked for this file now. Throws only failures of this machine. */
  async request(request: Omit<SegmentRequest, 'attempt'>): Promise<boolean> {
    const { segment, transfer, signal } = request;
    if (!transfer.mayComeFromPeers) return false;
    if (segment.from === 'source') return false;
    // Its silence is our own until it is asked for.
    segment.waiting = true;
    const peer = segment.from ?? (await this.#peers.choose(segment.file, signal));
    segment.waiting = false;
    signal.throwIfAborted();
    if (peer === undefined) return false;
    const { table, slow } = this.#peers;
    table.began(peer);
    slow.peers.began(this.#run.clock.monotonic());
    try {
      await this.#bring(peer, request);
      // A right answer may be short; one that is short each time would make any number of requests.
      if (segment.position < segment.end) throw tooShort(this.#peers.list[peer]!.address);
      table.brought(peer);
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown === LEFT) return false;
      const error = toFetchError(thrown);
      if (error.side !== 'source') throw error;
      const asked = { number: segment.file, file: transfer.file };
      if (thrown === SILENCE) this.#peers.silent(peer, asked);
      else this.#peers.failed(peer, asked, error);
    } finally {
      table.ended(peer);
      slow.peers.ended(this.#run.clock.monotonic());
    }
    return true;
  }

  async #bring(peer: number, request: Omit<SegmentRequest, 'attempt'>): Promise<void> {
    const { segment, transfer, observer, signal } = request;
    const { transport, emit, settings } = this.#run.context;
    const { relay } = this.#peers;
    // Under a rate limit it is we who are slow; and machines that share the work spare the hub.
    const leavesSlow = settings.bytesPerSecond === undefined && !relay.active;
    const { address, locate } = this.#peers.list[peer]!;
    const { file, shares } = transfer;
    const location = locate(this.#revision, file, relay.isUnfinished(peer));
    const { table, slow } = this.#peers;
    const early = new AbortController();
    const watch = this.#watch(() => early.abort(SILENCE));
    observer.asked();
    try {
      await transport.bring(
        transfer.jobFor(location, segment),
        {
          wrote: (range, wireBytes) => {
            watch?.touch();
            shares.add(peer, range);
            const now = this.#run.clock.monotonic();
            table.wrote(peer, rangeLength(range), now);
            slow.peers.wrote(rangeLength(range), now);
            countWritten(request, range, wireBytes, emit);
            // What a liar sends would be fetched again.
            if (table.isDropped(peer) || (leavesSlow && slow.leaves(now))) early.abort(LEFT);
          },
          wholeFile: () => {
            if (segment.position > 0 || segment.end < file.size) throw withoutRanges(address);
          },
          movedTo: () => {},
        },
        AbortSignal.any([signal, early.signal]),
      );
    } catch (error) {
      throw early.signal.aborted && !signal.aborted ? early.signal.reason : error;
    } finally {
      watch?.stop();
    }
  }

  /** Under a rate limit, silence may be our own. */
  #watch(onSilence: () => void): StallWatch | undefined {
    const { bytesPerSecond, stallTimeoutMs } = this.#run.context.settings;
    if (bytesPerSecond !== undefined) return undefined;
    return new StallWatch(this.#run.clock, Math.min(SILENT_MS, stallTimeoutMs), onSilence);
  }
}

function tooShort(address: string): FetchError {
  return new FetchError('NETWORK', `${new URL(address).host} sends less than it is asked for`, {
    retryable: true,
    hint: 'See that nothing between here and the peer cuts its answers.',
  });
}

function withoutRanges(address: string): FetchError {
  return new FetchError('NETWORK', `${new URL(address).host} does not serve ranges`, {
    hint: 'A peer is a machine that runs `fetch serve`, or a mirror that serves ranges.',
  });
}
