import { HostRanges } from '../http/host-ranges.ts';
import type { ByteRange } from '../model/byte-range.ts';
import { type FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { Location } from '../source/location.ts';
import { endOfWait, type RetryPolicy, retrying } from '../system/retry.ts';
import { ChunkRequests } from './chunk-requests.ts';
import type { CachedLocation, FileTransfer, Way } from './file-transfer.ts';
import { PeerRequests } from './peer-requests.ts';
import type { RunState } from './run-state.ts';
import type { Segment } from './scheduling/segment.ts';
import type { SlowPeers } from './scheduling/slow-peers.ts';
import { countWritten, type SegmentObserver, type SegmentRequest } from './segment-request.ts';

/** Statuses that refuse the URL rather than the file. */
const REFUSALS = new Set([206, 400, 401, 403, 404, 410, 416, 501]);

/**
 * Fetches segments: locates their bytes, requests them, and retries. The only place where requests for file bytes are
 * retried.
 */
export class SegmentDownloader {
  readonly #revision: Revision;
  readonly #run: RunState;
  readonly #hosts = new HostRanges();
  readonly #chunks: ChunkRequests;
  readonly #peers: PeerRequests | undefined;
  readonly #toldWays = new Set<Way>();

  constructor(revision: Revision, run: RunState) {
    this.#revision = revision;
    this.#run = run;
    this.#chunks = new ChunkRequests(revision, run);
    if (run.peers !== undefined) this.#peers = new PeerRequests(revision, run, run.peers);
  }

  /**
   * Fills the segment with as many requests as it takes: from peers, and what they lack from the source. `signal` ends it
   * at once. A file that one way cannot bring continues in the other, if there is one.
   */
  async fetch(
    segment: Segment,
    transfer: FileTransfer,
    observer: SegmentObserver,
    signal: AbortSignal,
  ): Promise<void> {
    while (segment.position < segment.end) {
      const isAsked = await this.#peers?.request({ segment, transfer, observer, signal });
      // What is left of it may come from elsewhere by now: it waits again.
      if (typeof segment.from === 'number') return;
      if (isAsked === true) continue;
      const { way } = transfer;
      const source = this.#run.peers?.slow.source;
      const counted = source === undefined ? observer : this.#counted(observer, source);
      try {
        source?.began(this.#run.clock.monotonic());
        await this.#fetchBy(way, segment, transfer, counted, signal);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toFetchError(thrown);
        const before = transfer.failure;
        // HTTP is how every file can be had: its failure is the one that counts.
        transfer.failure = way === 'http' ? error : (before ?? error);
        const isOfWay = error.side === 'source' && (way === 'xet' || error.code === 'NETWORK');
        if (!isOfWay || !transfer.giveUp(way)) throw isOfWay ? transfer.failure : error;
        if (before === undefined) this.#tellWay(transfer, way, error);
        segment.tried = 0;
      } finally {
        source?.ended(this.#run.clock.monotonic());
      }
    }
  }

  /** What the source brings is beside what peers bring. */
  #counted(observer: SegmentObserver, source: SlowPeers['source']): SegmentObserver {
    const wrote = (written: number, wireBytes: number) => {
      source.wrote(written, this.#run.clock.monotonic());
      observer.wrote(written, wireBytes);
    };
    return { ...observer, wrote };
  }

  /** Once for the run: the reasons of many files are the same. */
  #tellWay({ file, way }: FileTransfer, before: Way, { message }: FetchError): void {
    const { emit } = this.#run.context;
    const going =
      way === 'http' ? 'going on over plain HTTP' : "going on with chunks from Xet's content store";
    const isFirst = !this.#toldWays.has(before);
    this.#toldWays.add(before);
    const more = isFirst ? '; what has come is kept' : '';
    emit({ type: isFirst ? 'note' : 'trace', message: `${file.path}: ${message}: ${going}${more}` });
  }

  /** Ends early when the file is to be had in another way meanwhile. */
  async #fetchBy(
    way: Way,
    segment: Segment,
    transfer: FileTransfer,
    observer: SegmentObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const { settings, environment, emit } = this.#run.context;
    const { clock, random } = environment;
    // The source was reached, so an unreachable storage host is retried as often as other failures.
    const policy = { ...settings.retry, unreachedTries: settings.retry.tries };
    const what = transfer.file.path;
    await retrying(
      async (attempt) => {
        while (segment.position < segment.end && transfer.way === way) {
          const request = { segment, transfer, observer, attempt, signal };
          if (way === 'xet') await this.#chunks.request(request);
          else await this.#request(request);
        }
      },
      {
        policy: way === 'xet' ? withoutLastWait(policy) : policy,
        clock,
        random,
        signal,
        failures: segment.tried ?? 0,
        onRetry: ({ code, message, status }, attempt, delayMs) => {
          segment.tried = attempt - 1;
          segment.waiting = true;
          if (status === undefined || !REFUSALS.has(status))
            observer.trouble(status === 429 || status === 503 ? 'refused' : 'broke');
          emit({ type: 'retrying', what, attempt, delayMs, until: endOfWait(clock, delayMs), code, message });
        },
      },
    );
  }

  /** Where the bytes are. All connections share the look-up, so it does not end with the signal of one of them. */
  locate(transfer: FileTransfer): Promise<CachedLocation> {
    const { clock } = this.#run;
    return transfer.location(
      () => this.#locate(transfer),
      () => clock.now(),
    );
  }

  #locate({ file }: FileTransfer, range?: ByteRange): Promise<Location> {
    const { context, signal } = this.#run;
    return context.source.locate(this.#revision, file, signal, range);
  }

  /** The location, with the kind of ranges that its host turned out to support. */
  async #asAnswered(
    { location: found, origin }: CachedLocation,
    transfer: FileTransfer,
    segment: Segment,
  ): Promise<Location> {
    if (found.kind !== 'http' || origin === undefined) return found;
    const ranges = transfer.wholeOnly ? 'none' : this.#hosts.of(origin);
    if (ranges !== 'exact') return { ...found, ranges };
    const range = { start: segment.position, end: segment.end };
    return await this.#locate(transfer, range);
  }

  /** Whether the same bytes should be requested again at once in another way, of this host or of this file alone. */
  #knowsBetter(
    cached: CachedLocation,
    { refusal }: FetchError,
    location: Location,
    transfer: FileTransfer,
  ): boolean {
    const { origin } = cached;
    if (origin === undefined || location.kind !== 'http') return false;
    const { ranges } = location;
    if (this.#hosts.refused(origin, refusal, ranges)) return true;
    if (refusal !== 'no-ranges') return false;
    // The host serves ranges of other files. After refusals at two addresses in a row, request this file whole.
    if (ranges === 'none') transfer.rangesServed();
    else transfer.rangesRefused(cached);
    return transfer.wholeOnly;
  }

  async #request(request: SegmentRequest): Promise<void> {
    const { segment, transfer, observer, attempt, signal } = request;
    const { transport, emit } = this.#run.context;
    const cached = await this.locate(transfer);
    signal.throwIfAborted();
    const { origin } = cached;
    const location = await this.#asAnswered(cached, transfer, segment);
    signal.throwIfAborted();
    observer.asked();
    try {
      await transport.bring(
        transfer.jobFor(location, segment),
        {
          wrote: (range, wireBytes) => {
            cached.worked = true;
            if (origin !== undefined && location.kind === 'http') {
              this.#hosts.worked(origin, location.ranges);
              if (location.ranges !== 'none') transfer.rangesServed();
            }
            attempt.progressed();
            countWritten(request, range, wireBytes, emit);
          },
          wholeFile: () => observer.wholeFile(),
          movedTo: (url) => cached.moveTo(url),
        },
        signal,
      );
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toFetchError(thrown);
      if (error.refusal === undefined || !isOfAddress(error)) throw error;
      transfer.forgetLocation(cached);
      // An address that worked and is now refused has expired: a new one does not count as a retry.
      if (!cached.worked && !this.#knowsBetter(cached, error, location, transfer)) throw error;
      emit({ type: 'trace', message: `${error.message}: asking for a new address` });
    }
  }
}

/** A store that limits requests without an end is left for HTTP instead. */
function withoutLastWait({ quotaWindowMs: _, ...policy }: RetryPolicy): RetryPolicy {
  return policy;
}

/** Whether another address, or another way to ask for it, may help: not where the host is only busy. */
function isOfAddress({ status }: FetchError): boolean {
  return status !== undefined && REFUSALS.has(status);
}
