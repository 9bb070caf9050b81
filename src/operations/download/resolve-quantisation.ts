import { FetchError } from '../../model/error.ts';
import { draftsNamed, findQuantisation } from '../../model/find-quantisation.ts';
import { lastLabel } from '../../model/gguf-name.ts';
import { nearest } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { can, type Source } from '../../source/source.ts';

/** What stands behind a repository's name, before anybody has asked the hub. */
export interface RevisionName {
  readonly repo: RepoRef;
  readonly revision: string;
  /** The revision was written behind a colon: it may turn out to be a quantisation of `main`. */
  readonly mayBeQuantisation: boolean;
  /** Written behind a revision: `REPO@REV:Q4_K_M`. */
  readonly quantisation: string | undefined;
}

export interface PickedRevision {
  readonly revision: Revision;
  readonly quantisation: string | undefined;
}

type List = (revision: Revision) => Promise<readonly RemoteFile[]>;

/**
 * Branches and tags come first; what is none of them and stands behind a colon is looked up among the GGUF files of
 * `main`. When neither knows it, the error names the nearest of both.
 */
export async function pickRevision(
  asked: RevisionName,
  source: Source,
  list: List,
  signal: AbortSignal,
): Promise<PickedRevision> {
  const { repo, revision: name, quantisation } = asked;
  try {
    return { revision: await source.resolve(repo, name, signal), quantisation };
  } catch (error) {
    const missing = error instanceof FetchError && error.code === 'NOT_FOUND';
    if (!missing) throw error;
    // Tags of a registry have their quantisation in their names; there is no other revision to look in.
    if (sourceKind(repo.source) !== DEFAULT_SOURCE) throw error;
    // Skip two requests for a name that cannot be a quantisation.
    if (!asked.mayBeQuantisation && lastLabel(name) === undefined) throw error;
    const main = await source.resolve(repo, 'main', signal).catch(() => undefined);
    signal.throwIfAborted();
    if (main === undefined) throw error;
    const files = await list(main);
    const { matches, sets } = findQuantisation(files, name);
    if (!asked.mayBeQuantisation) throw matches.length > 0 ? isQuantisation(asked, error) : error;
    // What means several is for the choice of files to refuse: it knows how to name them.
    if (matches.length > 0 || draftsNamed(files, name).length > 0)
      return { revision: main, quantisation: name };
    // A repository without such files has no quantisations to suggest.
    if (sets.length === 0) throw error;
    const labels = sets.flatMap(({ label }) => label ?? []);
    throw await neither(asked, labels, error, source, signal);
  }
}

/** A quantisation where a branch was asked for: how it is named. */
function isQuantisation({ repo, revision }: RevisionName, cause: FetchError): FetchError {
  return new FetchError('NOT_FOUND', cause.message, {
    cause,
    hint: `${revision} is a quantisation of main: write ${repo.id}:${revision} in place of --revision.`,
  });
}

async function neither(
  { repo, revision }: RevisionName,
  labels: readonly string[],
  cause: FetchError,
  source: Source,
  signal: AbortSignal,
): Promise<FetchError> {
  const refs = can(source, 'branches') ? await source.branches(repo, signal).catch(() => []) : [];
  signal.throwIfAborted();
  const names = [...refs.map((ref) => ref.name), ...labels];
  const close = nearest(revision, names, 6);
  return new FetchError('NOT_FOUND', `${repoPath(repo)} has no branch, tag or quantisation "${revision}"`, {
    cause,
    hint: `${close.length > 0 ? 'Nearest' : 'There are'}: ${(close.length > 0 ? close : names.slice(0, 6)).join(', ')}.`,
  });
}

/** Whether a name means GGUF files of a listing. */
export function hasQuantisation(files: readonly RemoteFile[], name: string): boolean {
  return findQuantisation(files, name).matches.length > 0;
}
