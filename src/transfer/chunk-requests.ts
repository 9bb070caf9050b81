import { FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { RunState } from './run-state.ts';
import type { SegmentRequest } from './segment-request.ts';

/** Attempts in a row without progress before a file is had in another way. A busy store gets as many as any server. */
const MAX_TRIES = 3;
/** How often a refused address leads to a new reconstruction of the same range at once. */
const MAX_RENEWALS = 2;

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
    const { segment, attempt } = request;
    const progressed = () => {
      attempt.progressed();
      segment.tried = 0;
      segment.renewals = 0;
    };
    try {
      await this.#bring(request, progressed);
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
    }
  }

  async #bring(
    { segment, transfer, observer, signal }: SegmentRequest,
    progressed: () => void,
  ): Promise<void> {
    const { source, transport, emit } = this.#run.context;
    const { file } = transfer;
    if (source.reconstruct === undefined) throw new FetchError('BUG', 'this source knows no chunks');
    observer.asked();
    const range = { start: segment.position, end: segment.end };
    const location = await source.reconstruct(this.#revision, file, range, signal);
    signal.throwIfAborted();
    const { descriptor, partPath } = transfer.staged;
    await transport.bring(
      { location, path: file.path, fileSize: file.size, window: segment, descriptor, partPath },
      {
        wrote: (written, wireBytes = written.end - written.start) => {
          progressed();
          const added = transfer.wrote(written);
          observer.wrote(written.end - written.start, wireBytes);
          if (added > 0) emit({ type: 'bytes', path: file.path, count: added });
        },
        chunk: (chunk) => transfer.chunks.add(chunk),
        wholeFile: () => {},
        movedTo: () => {},
      },
      signal,
    );
  }
}

/** The same error, for the end of all attempts. */
function lasting({ code, message, hint, cause, status, refusal }: FetchError): FetchError {
  return new FetchError(code, message, { hint, cause, status, refusal, retryable: false });
}
