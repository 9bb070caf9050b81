import { toFetchError } from '../model/error.ts';
import type { FileTransfer } from './file-transfer.ts';
import type { FilesInTransfer } from './files-in-transfer.ts';
import type { RunState } from './run-state.ts';
import type { CopySegment } from './scheduling/copy-queue.ts';
import { isDescriptorShortage, MAX_SHORTAGES, SHORTAGE_MS } from './scheduling/descriptors.ts';

/** Pieces copied at the same time: enough to hide the cost of opening and renaming small files. */
const MAX_COPIES = 4;
/** How often to check whether the finalizer has room again, in milliseconds. */
const LOOK_MS = 250;

/**
 * Copies local pieces of files. They bypass the connections and their limits, because they do not use the network.
 */
export class LocalCopies {
  readonly #run: RunState;
  readonly #files: FilesInTransfer;
  #shortages = 0;

  constructor(run: RunState, files: FilesInTransfer) {
    this.#run = run;
    this.#files = files;
  }

  /** Never rejects: a failure ends the run. Once it resolves, nothing is copied any more. */
  async run(): Promise<void> {
    const count = Math.min(MAX_COPIES, this.#run.copies.waiting);
    const guarded = () => this.#work().catch((error) => this.#run.stop(error));
    await Promise.all(Array.from({ length: count }, guarded));
  }

  async #work(): Promise<void> {
    const { copies, signal, wakeup } = this.#run;
    while (copies.waiting > 0) {
      signal.throwIfAborted();
      if (this.#files.congested) {
        await wakeup.sleep(LOOK_MS);
        continue;
      }
      const segment = copies.take()!;
      await this.#files.withSegment(segment, (transfer, stop) => this.#copy(segment, transfer, stop));
    }
  }

  async #copy(segment: CopySegment, transfer: FileTransfer, stop: AbortSignal): Promise<void> {
    const { signal, clock } = this.#run;
    try {
      await this.#files.open(segment.file);
      await this.#bring(segment, transfer, stop);
      this.#shortages = 0;
    } catch (thrown) {
      signal.throwIfAborted();
      if (stop.aborted) return;
      const error = toFetchError(thrown);
      if (isDescriptorShortage(error) && this.#shortages < MAX_SHORTAGES) {
        this.#shortages += 1;
        await clock.sleep(SHORTAGE_MS, signal);
      } else if (error.code === 'NOT_FOUND') await this.#files.refuseCopy(segment.file, error.message);
      else this.#files.failed(segment.file, error);
    }
  }

  async #bring(segment: CopySegment, transfer: FileTransfer, stop: AbortSignal): Promise<void> {
    const { transport, emit } = this.#run.context;
    const { path } = transfer.file;
    await transport.bring(
      transfer.jobFor(segment.location, segment),
      {
        wrote: (range) => {
          const count = transfer.wrote(range, 'file');
          if (count > 0) emit({ type: 'copied', path, count });
        },
        wholeFile: () => {},
        movedTo: () => {},
      },
      stop,
    );
  }
}
