import pLimit from 'p-limit';
import { HashPool } from '../../hash/hash-pool.ts';
import { contentMatches } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isReadOnlyError } from '../../system/disk/disk-error.ts';
import type { DownloadContext } from './download-context.ts';

/** Files that are hashed at the same time. */
const MAX_CHECKS = 8;

interface OpenContext extends Pick<DownloadContext, 'store' | 'selected' | 'run'> {
  readonly request: Pick<DownloadContext['request'], 'forceDownload' | 'prune'>;
}

/**
 * Opens the store. Returns false, and leaves the store unopened, if its disk is read-only and it holds every selected
 * file: then there is nothing to do. Files without a record are hashed, because no record can be written there.
 */
export async function openUnlessComplete(context: OpenContext): Promise<boolean> {
  const { request, store, run } = context;
  try {
    await store.open(run.signal);
    return true;
  } catch (error) {
    const mayBeComplete = isReadOnlyError(error) && request.forceDownload !== true && request.prune !== true;
    if (mayBeComplete && (await holdsAll(context))) return false;
    throw error;
  }
}

async function holdsAll(context: OpenContext): Promise<boolean> {
  const { store, selected, run } = context;
  const { holdings } = await store.survey(selected, run.signal);
  const kinds = new Map(selected.map((file) => [file, holdings.get(file.path)?.kind]));
  if (![...kinds.values()].every((kind) => kind === 'whole' || kind === 'candidate')) return false;
  await using hasher = new HashPool(run.environment.processors);
  const unread = selected.filter((file) => kinds.get(file) === 'candidate');
  const limit = pLimit(MAX_CHECKS);
  const right = await Promise.all(unread.map((file) => limit(() => isRight(file, hasher, context))));
  return !right.includes(false);
}

/** False if the store has the file only under another name. */
async function isRight(file: RemoteFile, hasher: HashPool, { store, run }: OpenContext): Promise<boolean> {
  const git = file.digest?.algorithm === 'git-sha1';
  const digests = await hasher.check(store.finalPath(file), file.size, { git }, run.signal).catch(() => {
    run.signal.throwIfAborted();
    return undefined;
  });
  return digests !== undefined && contentMatches(digests, file);
}
