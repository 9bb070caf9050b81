import { HostRanges } from '../http/host-ranges.ts';
import type { ByteRange } from '../model/byte-range.ts';
import { type FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { Location } from '../source/location.ts';
import { type Attempt, endOfWait, retrying } from '../system/retry.ts';
import type { CachedLocation, FileTransfer } from './file-transfer.ts';
import type { RunState } from './run-state.ts';
import type { Segment } from './scheduling/segment.ts';

/** Statuses that refuse the URL rather than the file. */
const REFUSALS = new Set([206, 400, 401, 403, 404, 410, 416, 501]);

/** Told what happens to a segment while it is fetched. */
export interface SegmentObserver {
  /** A request for the segment is about to be sent. */
  asked(): void;
  /** `written` bytes of the segment are on disk, and `wireBytes` of the network were spent on them. */
  wrote(written: number, wireBytes: number): void;
  /** The server ignores ranges and sends the file from its first byte: the segment may be widened now. */
  wholeFile(): void;
  /** The server refused because it is busy, or the connection broke: fewer connections may do better. */
  trouble(kind: 'refused' | 'broke'): void;
}

/** One request for the missing part of a segment. */
interface SegmentRequest {
  readonly segment: Segment;
  readonly transfer: FileTransfer;
  readonly observer: SegmentObserver;
  readonly attempt: Attempt;
  readonly signal: AbortSignal;
}

/**
 * Fetches segments: locates their bytes, requests them, and retries. The only place where requests for file bytes are
 * retried.
 */
export class SegmentDownloader {
  readonly #revision: Revision;
  readonly #run: RunState;
  readonly #hosts = new HostRanges();

  constructor(revision: Revision, run: RunState) {
    this.#revision = revision;
    this.#run = run;
  }

  /** Fills the segment with as many requests as it takes. `signal` ends it at once. */
  async fetch(
    segment: Segment,
    transfer: FileTransfer,
    observer: SegmentObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const { settings, environment, emit } = this.#run.context;
    const { clock, random } = environment;
    const { retry } = settings;
    const what = transfer.file.path;
    await retrying(
      async (attempt) => {
        while (segment.position < segment.end) {
          await this.#request({ segment, transfer, observer, attempt, signal });
        }
      },
      {
        // The source was reached, so an unreachable storage host is retried as often as other failures.
        policy: { ...retry, unreachedTries: retry.tries },
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
  async #asAnswered(found: Location, transfer: FileTransfer, segment: Segment): Promise<Location> {
    if (found.kind !== 'http') return found;
    const ranges = transfer.wholeOnly ? 'none' : this.#hosts.of(new URL(found.url).origin);
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
    const { transport, emit } = this.#run.context;
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
      // An address that worked and is now refused has expired: a new one does not count as a retry.
      if (!cached.worked && !this.#knowsBetter(cached, error, location, transfer)) throw error;
      emit({ type: 'trace', message: `${error.message}: asking for a new address` });
    }
  }
}

/** Whether another address, or another kind of request, may help. It cannot if the host is only busy. */
function isOfAddress({ status }: FetchError): boolean {
  return status !== undefined && REFUSALS.has(status);
}
