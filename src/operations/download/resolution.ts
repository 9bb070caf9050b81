import { digestOfOid } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { pinnedRevision, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { lockDrift, selectionDrift } from '../../plan/lock-drift.ts';
import { type Selection, selectFiles } from '../../plan/select-files.ts';
import { applyWeightsPolicy, type WeightsPolicy } from '../../plan/weights-policy.ts';
import { collectListing } from '../../source/collect-listing.ts';
import type { Source } from '../../source/source.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { explainNames } from './meant-revision.ts';
import { pickRevision } from './resolve-quantisation.ts';

/** What a run is about, once that is pinned. */
export interface Resolution {
  readonly revision: Revision;
  /** Files that the directory will hold. */
  readonly selected: readonly RemoteFile[];
  /** Asked when it is clear what has to be fetched. */
  listing(plan: Plan): Promise<Listing>;
}

/** The files of a revision, as far as they are known. */
export interface Listing {
  readonly files: readonly RemoteFile[];
  /** Whether these are all of them. */
  readonly complete: boolean;
}

/** Which files of a revision are wanted. */
export interface FileSelection {
  readonly selection: Selection;
  /** A GGUF quantisation of the revision: only its files, and those that hold no weights. */
  readonly quantisation?: string | undefined;
  /** Which of several copies of the same weights; all of them unless told otherwise. */
  readonly weights?: WeightsPolicy;
}

/** The same with the revision that was named. */
export interface Asked extends FileSelection {
  readonly repo: RepoRef;
  /** Branch, tag, `refs/pr/N`, or commit. */
  readonly revision: string;
  /** The revision was written behind a colon, so it may be a GGUF quantisation of `main`. */
  readonly mayBeQuantisation?: boolean;
}

export function choose(
  files: readonly RemoteFile[],
  { selection, quantisation, weights = 'all' }: FileSelection,
): readonly RemoteFile[] {
  return selectFiles(applyWeightsPolicy(files, weights, quantisation), selection);
}

interface ResolveContext {
  readonly source: Source;
  /** Called as soon as the revision is known, before it is listed. */
  readonly onPinned?: ((revision: Revision) => void) | undefined;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** The usual way: the hub says where the branch is, and lists it. */
export async function resolveFromHub(
  asked: Asked,
  { source, emit, signal, onPinned }: ResolveContext,
): Promise<Resolution> {
  const { repo, mayBeQuantisation = false } = asked;
  const { revision, quantisation } = await pickRevision(
    { repo, revision: asked.revision, quantisation: asked.quantisation, mayBeQuantisation },
    source,
    (pinned) => collectListing(source, pinned, emit, signal),
    signal,
  );
  emit({ type: 'resolved', asked: repo, revision });
  onPinned?.(revision);
  const files = await collectListing(source, revision, emit, signal);
  let selected: readonly RemoteFile[];
  try {
    selected = choose(files, { ...asked, quantisation });
  } catch (thrown) {
    const { names = [] } = asked.selection;
    throw await explainNames(
      thrown,
      { repo: revision.repo, revision: asked.revision, names },
      source,
      signal,
    );
  }
  return { revision, selected, listing: async () => ({ files, complete: true }) };
}

export interface LockfileContext {
  readonly choice: FileSelection;
  /** What is on record here of that commit. */
  readonly known: Listing;
  /** Whether all files of the revision must be known, even if nothing is fetched. */
  readonly mustList: boolean;
}

/** Offline, and something would have to be fetched. */
export function missingOffline(plan: Plan, directory: string): FetchError {
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file.path);
  const more = missing.length > SHOWN ? `, and ${missing.length - SHOWN} more` : '';
  return notAvailableOffline(`${directory} lacks ${missing.slice(0, SHOWN).join(', ')}${more}`);
}

export function notAvailableOffline(what: string): FetchError {
  return new FetchError('NOT_FOUND', `offline, and ${what}`, {
    hint: 'Run the same command once with the network: without --offline, HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.',
  });
}

/**
 * `--frozen`: the lock says all there is to say. The hub is asked only when something must be fetched, and then
 * it must list what the lock names. INTEGRITY for every difference.
 */
export function resolveFromLockfile(
  lock: Lockfile,
  { choice, known, mustList }: LockfileContext,
  { source, emit, signal }: ResolveContext,
): Resolution {
  const revision = pinnedRevision(lock.repo, lock.revision, lock.commit);
  emit({ type: 'resolved', asked: lock.repo, revision });
  const locked = lock.files.map(lockedFile);
  assertNoDrift(lock, selectionDrift(locked, select(lock, locked, choice)));
  const listing = async (plan: Plan): Promise<Listing> => {
    if (plan.totals.fetchFiles === 0 && (known.complete || !mustList)) {
      const paths = new Set(locked.map((file) => file.path));
      const others = known.files.filter((file) => !paths.has(file.path));
      return { files: [...locked, ...others], complete: known.complete };
    }
    const upstream = await collectListing(source, revision, emit, signal).catch((error: unknown) => {
      throw commitNotFound(lock, error);
    });
    assertNoDrift(lock, lockDrift(locked, upstream));
    if (isNarrowed(choice)) assertNoDrift(lock, selectionDrift(locked, choose(upstream, choice)));
    return { files: upstream, complete: true };
  };
  return { revision, selected: locked, listing };
}

function lockedFile({ path, size, oid, sha256 }: Lockfile['files'][number]): RemoteFile {
  const digest = digestOfOid(oid);
  // Where the content is named by its git blob, a sha1, the lock may know more.
  return digest?.algorithm === 'sha256' || sha256 === undefined
    ? { path, size, digest }
    : { path, size, digest, sha256 };
}

function isNarrowed({ selection, quantisation, weights = 'all' }: FileSelection): boolean {
  const { names = [], path, include = [], exclude = [] } = selection;
  const selects = names.length + include.length + exclude.length > 0 || path !== undefined;
  return selects || quantisation !== undefined || weights !== 'all';
}

function select(lock: Lockfile, locked: readonly RemoteFile[], choice: FileSelection): readonly RemoteFile[] {
  try {
    return choose(locked, choice);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    throw lockfileMismatch(lock, `what is asked for is not in it: ${error.message}`);
  }
}

const SHOWN = 10;

function assertNoDrift(lock: Lockfile, differences: readonly string[]): void {
  if (differences.length === 0) return;
  const more = differences.length > SHOWN ? `; and ${differences.length - SHOWN} more` : '';
  throw lockfileMismatch(lock, `${differences.slice(0, SHOWN).join('; ')}${more}`);
}

export function lockfileMismatch(lock: Lockfile, what: string): FetchError {
  const about = `${repoPath(lock.repo)}, ${lock.revision} at ${shortId(lock.commit)}`;
  return new FetchError('INTEGRITY', `the lock of ${about} does not hold: ${what}`, {
    hint: 'If the change is meant, write the lock anew: the same command without --frozen, or `fetch lock`.',
  });
}

function commitNotFound(lock: Lockfile, thrown: unknown): unknown {
  if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') return thrown;
  const error = lockfileMismatch(lock, `the hub does not have that commit any more (${thrown.message})`);
  return new FetchError('INTEGRITY', error.message, {
    hint: error.hint,
    cause: thrown,
    status: thrown.status,
  });
}
