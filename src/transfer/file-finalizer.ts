import pLimit, { type LimitFunction } from 'p-limit';
import { type ByteRange, totalLength } from '../model/byte-range.ts';
import { contentMatches } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import type { PlannedFile } from '../model/plan.ts';
import type { FileTransfer } from './file-transfer.ts';
import type { TransferContext } from './transfer-context.ts';

/** Files that are hashed to their end, made durable and renamed at the same time. */
const FINISHERS = 8;
/** Files that stand here already and are read at the same time; the hasher has as many threads as are of use. */
const CHECKERS = 8;

/** Decides about files whose bytes are all on disk: right, to be fetched again, or given up. */
export class FileFinalizer {
  readonly #context: TransferContext;
  readonly #signal: AbortSignal;
  readonly #finishing: LimitFunction = pLimit(FINISHERS);
  readonly #checking: LimitFunction = pLimit(CHECKERS);

  constructor(context: TransferContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
  }

  /** So many files wait that fetching more of them would only pile them up. */
  get congested(): boolean {
    const { activeCount, pendingCount } = this.#finishing;
    return activeCount + pendingCount >= this.#context.waitingFiles;
  }

  /** Hashes a file that stands there already; true if it is right and now on record. */
  check({ file }: PlannedFile): Promise<boolean> {
    return this.#checking(async () => {
      this.#signal.throwIfAborted();
      const { hasher, store } = this.#context;
      const git = file.digest?.algorithm === 'git-sha1';
      const digests = await hasher.check(store.candidatePath(file), file.size, { git }, this.#signal);
      if (!contentMatches(digests, file)) return false;
      await store.adopt(file, digests);
      return true;
    });
  }

  /**
   * Verifies a complete part and gives it its name. Ranges mean that its content was wrong and that they
   * must be fetched again; when that was done often enough it is INTEGRITY, and the part is gone. `wrong copy`: what
   * was copied from this machine does not belong to this file, or not all of it.
   */
  finish(transfer: FileTransfer): Promise<'finished' | 'wrong copy' | readonly ByteRange[]> {
    return this.#finishing(async () => {
      this.#signal.throwIfAborted();
      const { emit } = this.#context;
      const { path } = transfer.file;
      emit({ type: 'file-verifying', path });
      const digests = await transfer.verify(() => {
        emit({ type: 'note', message: `the hash of ${path} is wrong: reading it once more` });
      }, this.#signal);
      const isRight = digests !== undefined && contentMatches(digests, transfer.file);
      if (!isRight && transfer.copiedBytes > 0) return 'wrong copy';
      if (digests !== undefined && !isRight) {
        // It is what the hub has: to fetch it again would bring the same.
        await transfer.staged.discard();
        throw lockedOtherwise(path);
      }
      if (digests !== undefined) {
        const { onChunks } = this.#context;
        const runs = transfer.chunks.count === 0 ? undefined : transfer.chunks.runs(transfer.file.size);
        await transfer.staged.commit(digests);
        if (runs !== undefined) await onChunks?.(transfer.file, runs);
        await transfer[Symbol.asyncDispose]();
        return 'finished';
      }
      const error = corrupt(path);
      const { way } = transfer;
      const wrong = await transfer.startRepair();
      // If the store cannot bring it either, this is the error of the file.
      if (way === 'http' && transfer.way !== way) transfer.failure = error;
      if (wrong === undefined) {
        await transfer.staged.discard();
        throw error;
      }
      emit({ type: 'bytes-lost', path, count: totalLength(wrong) });
      emit({
        type: 'retrying',
        what: path,
        attempt: transfer.repairs + 1,
        delayMs: 0,
        code: error.code,
        message: error.message,
      });
      return wrong;
    });
  }
}

function lockedOtherwise(path: string): FetchError {
  return new FetchError(
    'INTEGRITY',
    `the lock does not hold: ${path} has another sha256 than the lock names`,
    {
      hint: 'The file has not been put in place. If the change is meant, write the lock anew: the same command without --frozen, or `fetch lock`.',
    },
  );
}

function corrupt(path: string): FetchError {
  return new FetchError('INTEGRITY', `${path} does not have the hash that the hub lists`, {
    hint: 'The server or a proxy on the way damages the file. Try again later or over another network or endpoint.',
  });
}
