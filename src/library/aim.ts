import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import { digestOfOid, type RemoteFile } from '../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../model/repo.ts';
import { lockDrift, selectionDrift } from '../plan/lock-drift.ts';
import { type Selection, selectFiles } from '../plan/select-files.ts';
import type { Source } from '../source/source.ts';
import { inside, MANIFEST_FILE } from '../store/directory/layout.ts';
import { recordedListing } from '../store/directory/listing-record.ts';
import { readManifest } from '../store/directory/manifest.ts';
import type { Lock } from '../store/lock-file.ts';
import { collectListing } from './hub-access.ts';

/** What a run is about, once that is pinned. */
export interface Aim {
  readonly revision: Revision;
  /** What is to stand in the directory in the end. */
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

interface Inquiry {
  readonly source: Source;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** The usual way: the hub says where the branch is, and lists it. */
export async function aimAtHub(
  { repo, revision: name, selection }: { repo: RepoRef; revision: string; selection: Selection },
  { source, emit, signal }: Inquiry,
): Promise<Aim> {
  const revision = await source.resolve(repo, name, signal);
  emit({ type: 'resolved', asked: repo, revision });
  const files = await collectListing(source, revision, emit, signal);
  return {
    revision,
    selected: selectFiles(files, selection),
    listing: async () => ({ files, complete: true }),
  };
}

export interface LockAim {
  readonly selection: Selection;
  /** What the directory itself knows of that commit. */
  readonly known: Listing;
  /** Whether all files of the revision must be known, even if nothing is fetched. */
  readonly mustList: boolean;
}

/** What a directory knows of a commit by its own records. */
export function knownListing(directory: string, commit: string): Listing {
  const recorded = recordedListing(directory, commit);
  if (recorded !== undefined) return { files: recorded, complete: true };
  const manifest = readManifest(inside(directory, MANIFEST_FILE));
  const files = manifest?.commit === commit ? manifest.files : [];
  return { files: files.map(lockedFile), complete: false };
}

/** `--offline`: what the directory has on record is all there is. NOT_FOUND if that is something else. */
export function aimAtRecord(
  directory: string,
  { repo, revision: name, selection }: { repo: RepoRef; revision: string; selection: Selection },
  emit: Emit,
): Aim {
  const manifest = readManifest(inside(directory, MANIFEST_FILE));
  if (manifest === undefined) throw notHere(`${directory} has no manifest of fetch`);
  const { commit } = manifest;
  const has = `${directory} holds ${repoPath(manifest.repo)}, ${manifest.revision} at ${commit.slice(0, 7)}`;
  if (manifest.repo.type !== repo.type || manifest.repo.id !== repo.id) throw notHere(has);
  const isSame = manifest.revision === name || (/^[0-9a-f]{7,40}$/.test(name) && commit.startsWith(name));
  if (!isSame) throw notHere(`${has}, not ${name}`);
  const revision: Revision = { repo: manifest.repo, name, commit, gated: false };
  emit({ type: 'resolved', asked: repo, revision });
  const known = knownListing(directory, commit);
  return { revision, selected: selectFiles(known.files, selection), listing: async () => known };
}

/** Offline, and something would have to be fetched. */
export function missingOffline(plan: Plan, directory: string): FetchError {
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file.path);
  const more = missing.length > SHOWN ? `, and ${missing.length - SHOWN} more` : '';
  return notHere(`${directory} lacks ${missing.slice(0, SHOWN).join(', ')}${more}`);
}

function notHere(what: string): FetchError {
  return new FetchError('NOT_FOUND', `offline, and ${what}`, {
    hint: 'Run the same command once with the network: without --offline, HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.',
  });
}

/**
 * `--frozen`: the lock says all there is to say. The hub is asked only when something must be fetched, and then
 * it must list what the lock names. INTEGRITY for every difference.
 */
export function aimAtLock(
  lock: Lock,
  { selection, known, mustList }: LockAim,
  { source, emit, signal }: Inquiry,
): Aim {
  const revision: Revision = { repo: lock.repo, name: lock.revision, commit: lock.commit, gated: false };
  emit({ type: 'resolved', asked: lock.repo, revision });
  const locked = lock.files.map(lockedFile);
  refuseDrift(lock, selectionDrift(locked, select(lock, locked, selection)));
  const listing = async (plan: Plan): Promise<Listing> => {
    if (plan.totals.fetchFiles === 0 && (known.complete || !mustList)) {
      const paths = new Set(locked.map((file) => file.path));
      const others = known.files.filter((file) => !paths.has(file.path));
      return { files: [...locked, ...others], complete: known.complete };
    }
    const upstream = await collectListing(source, revision, emit, signal).catch((error: unknown) => {
      throw commitGone(lock, error);
    });
    refuseDrift(lock, lockDrift(locked, upstream));
    if (isNarrowed(selection)) refuseDrift(lock, selectionDrift(locked, selectFiles(upstream, selection)));
    return { files: upstream, complete: true };
  };
  return { revision, selected: locked, listing };
}

function lockedFile({ path, size, oid }: Lock['files'][number]): RemoteFile {
  return { path, size, digest: digestOfOid(oid) };
}

function isNarrowed({ names = [], path, include = [], exclude = [] }: Selection): boolean {
  return names.length + include.length + exclude.length > 0 || path !== undefined;
}

function select(lock: Lock, locked: readonly RemoteFile[], selection: Selection): readonly RemoteFile[] {
  try {
    return selectFiles(locked, selection);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    throw drifted(lock, `what is asked for is not in it: ${error.message}`);
  }
}

const SHOWN = 10;

function refuseDrift(lock: Lock, differences: readonly string[]): void {
  if (differences.length === 0) return;
  const more = differences.length > SHOWN ? `; and ${differences.length - SHOWN} more` : '';
  throw drifted(lock, `${differences.slice(0, SHOWN).join('; ')}${more}`);
}

export function drifted(lock: Lock, what: string): FetchError {
  const about = `${repoPath(lock.repo)}, ${lock.revision} at ${lock.commit.slice(0, 7)}`;
  return new FetchError('INTEGRITY', `the lock of ${about} does not hold: ${what}`, {
    hint: 'If the change is meant, write the lock anew: the same command without --frozen, or `fetch lock`.',
  });
}

function commitGone(lock: Lock, thrown: unknown): unknown {
  if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') return thrown;
  const error = drifted(lock, `the hub does not have that commit any more (${thrown.message})`);
  return new FetchError('INTEGRITY', error.message, {
    hint: error.hint,
    cause: thrown,
    status: thrown.status,
  });
}
