import pLimit, { type LimitFunction } from 'p-limit';
import { type ByteRange, totalLength } from '../model/byte-range.ts';
import { contentMatches } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import type { PlannedFile } from '../model/plan.ts';
import type { FileTransfer } from './file-transfer.ts';
import type { RunState } from './run-state.ts';
import { whenDescriptorsAreFree } from './scheduling/descriptors.ts';

/** Files that are hashed to their end, flushed and renamed at the same time. */
const FINISHERS = 8;
/** Existing files that are checked at the same time. The hasher limits its own threads. */
const CHECKERS = 8;

/** Decides what happens to files whose bytes are all on disk: finished, fetched again, or given up. */
export class FileFinalizer {
  readonly #run: RunState;
  readonly #finishing: LimitFunction = pLimit(FINISHERS);
  readonly #checking: LimitFunction = pLimit(CHECKERS);

  constructor(run: RunState) {
    this.#run = run;
  }

  /** So many files wait for verification that no more should be fetched. */
  get congested(): boolean {
    const { activeCount, pendingCount } = this.#finishing;
    return activeCount + pendingCount >= this.#run.context.limits.waitingFiles;
  }

  /** Hashes an existing file. True if it is right; then it is on record. */
  check({ file }: PlannedFile): Promise<boolean> {
    return this.#checking(async () => {
      const { signal, context, clock } = this.#run;
      signal.throwIfAborted();
      const { hasher, store } = context;
      const git = file.digest?.algorithm === 'git-sha1';
      const check = () => hasher.check(store.candidatePath(file), file.size, { git }, signal);
      const digests = await whenDescriptorsAreFree(check, clock, signal);
      if (!contentMatches(digests, file)) return false;
      await whenDescriptorsAreFree(() => store.adopt(file, digests), clock, signal);
      return true;
    });
  }

  /**
   * Verifies a complete part and renames it into place. Ranges: the content is wrong and they must be fetched again;
   * after `MAX_REPAIRS` the part is discarded and it rejects with INTEGRITY. `wrong copy`: the local copy is not this
   * file's content, or not all of it.
   */
  finish(transfer: FileTransfer): Promise<'finished' | 'wrong copy' | readonly ByteRange[]> {
    return this.#finishing(async () => {
      const { signal, context, clock } = this.#run;
      signal.throwIfAborted();
      const { emit } = context;
      const { path } = transfer.file;
      emit({ type: 'file-verifying', path });
      const readsAgain = () => {
        // Nothing more is spoilt meanwhile.
        this.#run.peers?.suspect(transfer.shares.peers);
        emit({ type: 'note', message: `the hash of ${path} is wrong: reading it once more` });
      };
      const verify = () => transfer.verify(readsAgain, signal);
      const digests = await whenDescriptorsAreFree(verify, clock, signal);
      const isRight = digests !== undefined && contentMatches(digests, transfer.file);
      if (!isRight && transfer.copiedBytes > 0) return 'wrong copy';
      if (digests !== undefined && !isRight) {
        // It is what the source has: to fetch it again would bring the same.
        await transfer.staged.discard();
        throw lockedOtherwise(path);
      }
      if (digests !== undefined) {
        const { onChunks } = context;
        const runs = transfer.chunks.count === 0 ? undefined : transfer.chunks.runs();
        this.#run.peers?.judge(transfer.shares, transfer.file);
        const commit = () => transfer.staged.commit(digests);
        await whenDescriptorsAreFree(commit, clock, signal);
        if (runs !== undefined) await onChunks?.(transfer.file, runs);
        await transfer[Symbol.asyncDispose]();
        return 'finished';
      }
      const error = corrupt(path);
      const { way } = transfer;
      this.#run.peers?.suspect(transfer.shares.peers);
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
      hint: 'The file has not been put in place. If the change is intended, write a new lockfile: the same command without --frozen, or `fetch lock`.',
    },
  );
}

function corrupt(path: string): FetchError {
  return new FetchError('INTEGRITY', `${path} does not have the hash that it is listed with`, {
    hint: 'The server or a proxy on the way damages the file. Try again later or over another network or endpoint.',
  });
}
