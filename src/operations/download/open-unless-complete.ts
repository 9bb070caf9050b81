import pLimit from 'p-limit';
import { HashPool } from '../../hash/hash-pool.ts';
import { contentMatches } from '../../model/digest.ts';
import type { Emit } from '../../model/event.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Store } from '../../store/store.ts';
import { isReadOnlyError } from '../../system/disk/disk-error.ts';

/** Files that are read at the same time; the hasher has as many threads as are of use. */
const AT_ONCE = 8;

/** What is wanted, and the store that it goes to. */
export interface Wanted {
  readonly store: Store;
  readonly revision: Revision;
  readonly selected: readonly RemoteFile[];
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Processors that threads may use. */
  readonly processors: number;
}

export interface OpenChoice {
  readonly forceDownload: boolean;
  readonly prune?: boolean;
}

/**
 * Opens the store for a run. False, with the store left unopened, if it is on a disk that cannot be written and holds
 * all that is wanted: read where it was not recognised, since nothing can be recorded there. Then there is nothing to do.
 */
export async function openUnlessComplete(wanted: Wanted, choice: OpenChoice): Promise<boolean> {
  const { store, signal } = wanted;
  try {
    await store.open(signal);
    return true;
  } catch (error) {
    const mayBeComplete = isReadOnlyError(error) && !choice.forceDownload && choice.prune !== true;
    if (mayBeComplete && (await holdsAll(wanted))) return false;
    throw error;
  }
}

async function holdsAll({ store, selected, signal, processors }: Wanted): Promise<boolean> {
  const { holdings } = await store.survey(selected, signal);
  const kinds = new Map(selected.map((file) => [file, holdings.get(file.path)?.kind]));
  if (![...kinds.values()].every((kind) => kind === 'whole' || kind === 'candidate')) return false;
  await using hasher = new HashPool(processors);
  const unread = selected.filter((file) => kinds.get(file) === 'candidate');
  const some = pLimit(AT_ONCE);
  const right = await Promise.all(unread.map((file) => some(() => isRight(file, store, hasher, signal))));
  return !right.includes(false);
}

/** Not if the store has it under another name only: what is asked for must be found where it belongs. */
async function isRight(
  file: RemoteFile,
  store: Store,
  hasher: HashPool,
  signal: AbortSignal,
): Promise<boolean> {
  const git = file.digest?.algorithm === 'git-sha1';
  const digests = await hasher.check(store.finalPath(file), file.size, { git }, signal).catch(() => {
    signal.throwIfAborted();
    return undefined;
  });
  return digests !== undefined && contentMatches(digests, file);
}
