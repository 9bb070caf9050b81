import type { ByteRange } from '../model/byte-range.ts';
import { FetchError, toFetchError } from '../model/error.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import type { XetLocation } from '../source/location.ts';
import { nextChunks } from './repeated-chunks.ts';
import type { RunState } from './run-state.ts';
import type { Segment } from './scheduling/segment.ts';
import { countWritten, type SegmentRequest } from './segment-request.ts';
import { TrickleWatch } from './trickle-watch.ts';

/** Attempts in a row without progress before a file is had in another way. A busy store gets as many as any server. */
const MAX_TRIES = 3;
/** How often a refused address leads to a new reconstruction of the same range at once. */
const MAX_RENEWALS = 2;
/** How often a segment asks for its chunks while its ends move. */
const MAX_ASKED = 3;

/** Asks for segments of files as chunks: a reconstruction of what is missing, then the chunks that it names. */
export class ChunkRequests {
  readonly #revision: Revision;
  readonly #run: RunState;

  constructor(revision: Revision, run: RunState) {
    this.#revision = revision;
    this.#run = run;
  }

  /** Throws what `retrying` is to decide about: after some failures without progress it is not retryable any more. */
  async request(request: SegmentRequest): Promise<void> {
    const { segment, attempt, transfer } = request;
    const { settings } = this.#run.context;
    // With a limit of our own a chunk may take any time.
    const limitMs = settings.bytesPerSecond === undefined ? settings.stallTimeoutMs : undefined;
    const watch = new TrickleWatch(this.#run.clock, limitMs, transfer.file.path, request.signal);
    const progressed = () => {
      watch.touch();
      attempt.progressed();
      segment.renewals = 0;
    };
    try {
      await this.#bring({ ...request, signal: watch.signal }, progressed, () => watch.touch());
    } catch (thrown) {
      request.signal.throwIfAborted();
      const error = toFetchError(thrown);
      if (error.status === 403 && error.refusal !== undefined) {
        segment.renewals = (segment.renewals ?? 0) + 1;
        if (segment.renewals > MAX_RENEWALS) throw lasting(error);
        this.#run.context.emit({ type: 'trace', message: `${error.message}: asking for new addresses` });
        return;
      }
      // `tried` counts the failures before this one.
      const isBusy = error.status === 429 || error.status === 503;
      throw !isBusy && (segment.tried ?? 0) + 1 >= MAX_TRIES ? lasting(error) : error;
    } finally {
      watch.stop();
    }
  }

  /** `waited`: what it waits for goes on. */
  async #bring(request: SegmentRequest, progressed: () => void, waited: () => void): Promise<void> {
    const { segment, transfer, observer, signal } = request;
    const { chunks, flights, staged } = transfer;
    observer.asked();
    let found = await this.#reconstruct(segment, transfer.file, signal);
    for (;;) {
      // Its neighbours have taken all of it meanwhile.
      if (segment.position >= segment.end) return;
      const next = nextChunks(found, chunks, staged.received, flights);
      if (next.kind === 'bring') {
        await this.#bringFrom(next.location, request, progressed);
        return;
      }
      if (next.kind === 'wait') {
        await flights.untilMoved(signal);
        waited();
      } else found = await this.#reconstruct(segment, transfer.file, signal, next.end);
    }
  }

  async #bringFrom(location: XetLocation, request: SegmentRequest, progressed: () => void): Promise<void> {
    const { segment, transfer, signal } = request;
    const { transport, emit } = this.#run.context;
    const ended = transfer.flights.begin(segment, location);
    try {
      await transport.bring(
        transfer.jobFor(location, segment),
        {
          wrote: (range, wireBytes) => {
            progressed();
            countWritten(request, range, wireBytes, emit);
            transfer.flights.moved();
          },
          chunk: (chunk) => transfer.chunks.add(chunk),
          wholeFile: () => {},
          movedTo: () => {},
        },
        signal,
      );
    } finally {
      ended();
    }
  }

  /**
   * Asks which chunks the segment needs, and moves its ends to theirs. A neighbour may have moved an end first: then the
   * addresses are those of other chunks, and it asks once more. Of what is behind `until` nothing is wanted.
   */
  async #reconstruct(
    segment: Segment,
    file: RemoteFile,
    signal: AbortSignal,
    until = Number.POSITIVE_INFINITY,
  ): Promise<XetLocation> {
    const { source } = this.#run.context;
    if (source.reconstruct === undefined) throw new FetchError('BUG', 'this source knows no chunks');
    for (let asked = 1; ; asked += 1) {
      const range = { start: segment.position, end: Math.min(segment.end, until) };
      // Each end moves once, so the last answer is used as it is.
      segment.asking = asked < MAX_ASKED;
      try {
        const location = await source.reconstruct(this.#revision, file, range, signal);
        signal.throwIfAborted();
        const isMoved = segment.position !== range.start || Math.min(segment.end, until) !== range.end;
        if (isMoved && asked < MAX_ASKED) continue;
        this.#run.schedule.align(segment, chunksOf(location));
        return location;
      } finally {
        segment.asking = false;
      }
    }
  }
}

/** Where the chunks of a location begin and end in the file. */
function chunksOf({ range, skip, terms }: XetLocation): ByteRange {
  const start = range.start - skip;
  return { start, end: terms.reduce((end, { length }) => end + length, start) };
}

/** The same error, for the end of all attempts. */
function lasting({ code, message, hint, cause, status, refusal }: FetchError): FetchError {
  return new FetchError(code, message, { hint, cause, status, refusal, retryable: false });
}
