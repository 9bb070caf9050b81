import pLimit from 'p-limit';
import { HashPool } from '../../hash/hash-pool.ts';
import { contentMatches } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Survey } from '../../store/store.ts';
import { isReadOnlyError } from '../../system/disk/disk-error.ts';
import type { DownloadContext } from './download-context.ts';

/** Files that are hashed at the same time. */
const MAX_CHECKS = 8;

interface SurveyContext extends Pick<DownloadContext, 'store' | 'selected' | 'run'> {
  readonly request: Pick<DownloadContext['request'], 'dryRun' | 'forceDownload' | 'prune'>;
}

/** What the store holds. */
export interface StoreSurvey {
  readonly survey: Survey;
  /** Everything is here: nothing has to be written. */
  readonly isComplete: boolean;
}

/**
 * Opens the store and surveys it. The store stays unopened, without a directory lock,
 * - for a dry run,
 * - if `isOnRecord` says of a survey that everything is here, and that is recorded; left out if that cannot be,
 * - if its disk is read-only and it holds every selected file: files without a record are hashed, because no record can be
 *   written there.
 */
export async function surveyStore(
  context: SurveyContext,
  isOnRecord?: (survey: Survey) => boolean,
): Promise<StoreSurvey> {
  const { request, store, selected, run } = context;
  const look = () => store.survey(selected, run.signal);
  if (request.dryRun || isOnRecord !== undefined) {
    const survey = await look();
    const isComplete = isOnRecord?.(survey) === true;
    if (request.dryRun || isComplete) return { survey, isComplete };
  }
  try {
    await store.open(run.signal);
  } catch (error) {
    const mayBeComplete = isReadOnlyError(error) && request.forceDownload !== true && request.prune !== true;
    const survey = mayBeComplete ? await look() : undefined;
    if (survey !== undefined && (await holdsAll(survey, context))) return { survey, isComplete: true };
    throw error;
  }
  // Before the directory lock was taken, another run may have changed what is here.
  return { survey: await look(), isComplete: false };
}

async function holdsAll({ holdings }: Survey, context: SurveyContext): Promise<boolean> {
  const { selected, run } = context;
  const kinds = new Map(selected.map((file) => [file, holdings.get(file.path)?.kind]));
  if (![...kinds.values()].every((kind) => kind === 'whole' || kind === 'candidate')) return false;
  await using hasher = new HashPool(run.environment.processors);
  const unread = selected.filter((file) => kinds.get(file) === 'candidate');
  const limit = pLimit(MAX_CHECKS);
  const right = await Promise.all(unread.map((file) => limit(() => isRight(file, hasher, context))));
  return !right.includes(false);
}

/** False if the store has the file under another name only. */
async function isRight(file: RemoteFile, hasher: HashPool, { store, run }: SurveyContext): Promise<boolean> {
  const git = file.digest?.algorithm === 'git-sha1';
  const digests = await hasher.check(store.finalPath(file), file.size, { git }, run.signal).catch(() => {
    run.signal.throwIfAborted();
    return undefined;
  });
  return digests !== undefined && contentMatches(digests, file);
}
