import { FetchError } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import { pinnedRevision, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { lockDrift, selectionDrift } from '../../plan/lock-drift.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { type Lockfile, type LockfileEntry, listedFile } from '../../store/records/lockfile.ts';
import {
  type FileSelection,
  type Resolution,
  type ResolveContext,
  type Resolver,
  selectFromListing,
} from './resolver.ts';

interface LockfileResolverOptions {
  readonly selection: FileSelection;
  /** The local records of that revision. */
  readonly recorded: Listing;
  /** Whether all files of the revision must be known, even if nothing is fetched. */
  readonly mustList: boolean;
}

/**
 * `--frozen`: the lockfile determines the revision and its files. The source is asked only if something must be
 * fetched; then it must list what the lockfile names. Every difference is INTEGRITY.
 */
export class LockfileResolver implements Resolver {
  readonly #lockfile: Lockfile;
  readonly #options: LockfileResolverOptions;

  constructor(lockfile: Lockfile, options: LockfileResolverOptions) {
    this.#lockfile = lockfile;
    this.#options = options;
  }

  async resolve(context: ResolveContext): Promise<Resolution> {
    const lockfile = this.#lockfile;
    const revision = pinnedRevision(lockfile.repo, lockfile.revision, lockfile.commit);
    context.run.emit({ type: 'resolved', asked: lockfile.repo, revision });
    const locked = lockfile.files.map(lockedFile);
    assertNoDrift(lockfile, selectionDrift(locked, this.#select(locked)));
    return {
      revision,
      selected: locked,
      listing: (plan) => this.#listing(plan, revision, locked, context),
    };
  }

  async #listing(
    plan: Plan,
    revision: Revision,
    locked: readonly RemoteFile[],
    { source, run }: ResolveContext,
  ): Promise<Listing> {
    const { recorded, mustList, selection } = this.#options;
    if (plan.totals.fetchFiles === 0 && (recorded.complete || !mustList)) {
      const paths = new Set(locked.map((file) => file.path));
      const others = recorded.files.filter((file) => !paths.has(file.path));
      return { files: [...locked, ...others], complete: recorded.complete };
    }
    const upstream = await collectListing(source, revision, run).catch((error: unknown) => {
      throw commitNotFound(this.#lockfile, error);
    });
    assertNoDrift(this.#lockfile, lockDrift(locked, upstream));
    if (selectsSome(selection)) {
      assertNoDrift(this.#lockfile, selectionDrift(locked, selectFromListing(upstream, selection)));
    }
    return { files: upstream, complete: true };
  }

  #select(locked: readonly RemoteFile[]): readonly RemoteFile[] {
    try {
      return selectFromListing(locked, this.#options.selection);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      throw lockfileMismatch(this.#lockfile, `it lacks what is selected: ${error.message}`);
    }
  }
}

function lockedFile(entry: LockfileEntry): RemoteFile {
  const file = listedFile(entry);
  // The lockfile may also have a sha256 of content that is identified by its git blob, a sha1.
  const { sha256 } = entry;
  return file.digest?.algorithm === 'sha256' || sha256 === undefined ? file : { ...file, sha256 };
}

/** False for the whole revision. */
function selectsSome({ selection, quantisation, weights = 'all' }: FileSelection): boolean {
  const { names = [], path, include = [], exclude = [] } = selection;
  const selects = names.length + include.length + exclude.length > 0 || path !== undefined;
  return selects || quantisation !== undefined || weights !== 'all';
}

const MAX_SHOWN = 10;

function assertNoDrift(lockfile: Lockfile, differences: readonly string[]): void {
  if (differences.length === 0) return;
  const more = differences.length > MAX_SHOWN ? `; and ${differences.length - MAX_SHOWN} more` : '';
  throw lockfileMismatch(lockfile, `${differences.slice(0, MAX_SHOWN).join('; ')}${more}`);
}

export function lockfileMismatch(lockfile: Lockfile, what: string): FetchError {
  const about = `${repoPath(lockfile.repo)}, ${lockfile.revision} at ${shortId(lockfile.commit)}`;
  return new FetchError('INTEGRITY', `the lock of ${about} does not hold: ${what}`, {
    hint: 'If the change is intended, write a new lockfile: the same command without --frozen, or `fetch lock`.',
  });
}

function commitNotFound(lockfile: Lockfile, thrown: unknown): unknown {
  if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') return thrown;
  const error = lockfileMismatch(lockfile, `its revision is gone upstream (${thrown.message})`);
  return new FetchError('INTEGRITY', error.message, {
    hint: error.hint,
    cause: thrown,
    status: thrown.status,
  });
}
