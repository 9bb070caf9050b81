import { HostRanges } from '../http/host-ranges.ts';
import { type FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { Location } from '../source/location.ts';
import { endOfWait, type RetryPolicy, retrying } from '../system/retry.ts';
import { ChunkRequests } from './chunk-requests.ts';
import type { CachedLocation, FileTransfer, Way } from './file-transfer.ts';
import type { RunState } from './run-state.ts';
import type { Segment } from './scheduling/segment.ts';
import type { SegmentObserver, SegmentRequest } from './segment-request.ts';
import type { TransferContext } from './transfer-context.ts';

/** Statuses that refuse the URL rather than the file. */
const REFUSALS = new Set([206, 400, 401, 403, 404, 410, 416, 501]);

/**
 * Brings the bytes of segments: finds out where they are, asks for them, and tries again. This is where
 * requests for file bytes are retried, and nowhere below.
 */
export class SegmentDownloader {
  readonly #revision: Revision;
  readonly #context: TransferContext;
  readonly #runSignal: AbortSignal;
  readonly #hosts = new HostRanges();
  readonly #chunks: ChunkRequests;
  readonly #toldWays = new Set<Way>();

  constructor(revision: Revision, { context, signal }: Pick<RunState, 'context' | 'signal'>) {
    this.#revision = revision;
    this.#context = context;
    this.#runSignal = signal;
    this.#chunks = new ChunkRequests(revision, context, signal);
  }

  /**
   * Fills the segment, with as many requests as it takes. `signal` ends it at once. A file that cannot be had in one way
   * goes on in the other, if there is one.
   */
  async fetch(
    segment: Segment,
    transfer: FileTransfer,
    observer: SegmentObserver,
    signal: AbortSignal,
  ): Promise<void> {
    while (segment.position < segment.end) {
      const { way } = transfer;
      try {
        await this.#fetchBy(way, segment, transfer, observer, signal);
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
      }
    }
  }

  /** Once for the run: the reasons of many files are the same. */
  #tellWay({ file, way }: FileTransfer, before: Way, { message }: FetchError): void {
    const { emit } = this.#context;
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
    const { clock, random, retry, emit } = this.#context;
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
        policy: way === 'xet' ? withoutLastWait(retry) : retry,
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

  /** Where the bytes are. Asked for all connections: it must not end because one of them does. */
  locate(transfer: FileTransfer): Promise<CachedLocation> {
    const { clock, source } = this.#context;
    return transfer.location(
      () => source.locate(this.#revision, transfer.file, this.#runSignal),
      () => clock.now(),
    );
  }

  /** The location in the way that its host has turned out to need. */
  async #asAnswered(found: Location, transfer: FileTransfer, segment: Segment): Promise<Location> {
    if (found.kind !== 'http') return found;
    const ranges = transfer.wholeOnly ? 'none' : this.#hosts.of(new URL(found.url).origin);
    if (ranges !== 'exact') return { ...found, ranges };
    const range = { start: segment.position, end: segment.end };
    return await this.#context.source.locate(this.#revision, transfer.file, this.#runSignal, range);
  }

  /** Whether the same bytes are worth asking for at once, in another way: of the host, or of this file alone. */
  #knowsBetter(
    cached: CachedLocation,
    { refusal }: FetchError,
    location: Location,
    transfer: FileTransfer,
  ): boolean {
    if (cached.location.kind !== 'http' || location.kind !== 'http') return false;
    const { ranges } = location;
    if (this.#hosts.refused(new URL(cached.location.url).origin, refusal, ranges)) return true;
    if (refusal !== 'no-ranges') return false;
    // The host serves ranges of other files. After refusals at two addresses in a row, request this file whole.
    if (ranges === 'none') transfer.rangesServed();
    else transfer.rangesRefused(cached);
    return transfer.wholeOnly;
  }

  async #request({ segment, transfer, observer, attempt, signal }: SegmentRequest): Promise<void> {
    const { transport, emit } = this.#context;
    const cached = await this.locate(transfer);
    signal.throwIfAborted();
    const origin = cached.location.kind === 'http' ? new URL(cached.location.url).origin : undefined;
    const location = await this.#asAnswered(cached.location, transfer, segment);
    signal.throwIfAborted();
    const { path, size: fileSize } = transfer.file;
    const { descriptor, partPath } = transfer.staged;
    observer.asked();
    try {
      await transport.bring(
        { location, path, fileSize, window: segment, descriptor, partPath },
        {
          wrote: (range, wireBytes = range.end - range.start) => {
            cached.worked = true;
            if (origin !== undefined && location.kind === 'http') {
              this.#hosts.worked(origin, location.ranges);
              if (location.ranges !== 'none') transfer.rangesServed();
            }
            attempt.progressed();
            segment.tried = 0;
            const added = transfer.wrote(range);
            observer.wrote(range.end - range.start, wireBytes);
            if (added > 0) emit({ type: 'bytes', path, count: added });
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
      // An address that has worked and is now refused has expired: a new one does not count as a retry.
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
