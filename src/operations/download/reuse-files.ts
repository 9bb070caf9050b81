import { stat } from 'node:fs/promises';
import type { HashPool } from '../../hash/hash-pool.ts';
import { contentMatches } from '../../model/digest.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan, PlannedFile } from '../../model/plan.ts';
import { copyInto } from '../../store/parts/copy-content.ts';
import type { StagedFile, Store } from '../../store/store.ts';

/**
 * Copies what stands elsewhere on this machine, as a reflink where the file system can: then it takes no room and no time.
 * A copy gets its final name only after its own hash was right; whatever fails is left to the network.
 */
export async function reuseFiles(
  plan: Plan,
  store: Store,
  hasher: HashPool,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  for (const planned of plan.files) {
    const { reuse: localCopy, file } = planned;
    if (localCopy === undefined) continue;
    signal.throwIfAborted();
    const problem = await copyOne(planned, localCopy, store, hasher, signal);
    const message =
      problem === undefined
        ? `copied from ${localCopy}, its hash was checked`
        : `not taken from ${localCopy}: ${problem}`;
    emit({ type: problem === undefined ? 'trace' : 'note', message: `${file.path}: ${message}` });
  }
}

/** Undefined if the file was placed under its name; otherwise the reason. */
async function copyOne(
  { file }: PlannedFile,
  localCopy: string,
  store: Store,
  hasher: HashPool,
  signal: AbortSignal,
): Promise<string | undefined> {
  await using staged = await store.stage(file);
  try {
    staged.restart();
    await copyInto(localCopy, staged.partPath, signal);
  } catch (error) {
    await staged.discard();
    signal.throwIfAborted();
    return (error as Error).message;
  }
  if (await hashIsRight(staged, file, hasher, signal)) return undefined;
  await staged.discard();
  return 'its content is another one';
}

async function hashIsRight(
  staged: StagedFile,
  file: PlannedFile['file'],
  hasher: HashPool,
  signal: AbortSignal,
): Promise<boolean> {
  const { size, digest } = file;
  if ((await stat(staged.partPath)).size !== size) return false;
  staged.wrote({ start: 0, end: size });
  const git = digest?.algorithm === 'git-sha1';
  const digests = await hasher.check(staged.partPath, size, { git }, signal);
  if (!contentMatches(digests, file)) return false;
  await staged.commit(digests);
  return true;
}
