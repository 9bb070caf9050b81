import { FetchError } from '../../model/error.ts';
import { draftsNamed, findQuantisation } from '../../model/find-quantisation.ts';
import { lastLabel } from '../../model/gguf-name.ts';
import { suggestion } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type Revision, repoPath } from '../../model/repo.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { can, type Source } from '../../source/source.ts';
import type { RevisionName } from './resolver.ts';

export interface PickedRevision {
  readonly revision: Revision;
  readonly quantisation: string | undefined;
}

type List = (revision: Revision) => Promise<readonly RemoteFile[]>;

/**
 * Resolves branches and tags first. A name after a colon that is neither is looked up among the GGUF files of `main`.
 * The error for an unknown name suggests the nearest branches, tags and quantisations.
 */
export async function pickRevision(
  name: RevisionName,
  source: Source,
  list: List,
  signal: AbortSignal,
): Promise<PickedRevision> {
  const { repo, revision, quantisation, mayBeQuantisation = false } = name;
  try {
    return { revision: await source.resolve(repo, revision, signal), quantisation };
  } catch (error) {
    const missing = error instanceof FetchError && error.code === 'NOT_FOUND';
    if (!missing) throw error;
    // A tag of a registry determines its quantisation: no other revision has it.
    if (sourceKind(repo.source) !== DEFAULT_SOURCE) throw error;
    // Save two requests for a name that cannot be a quantisation.
    if (!mayBeQuantisation && lastLabel(revision) === undefined) throw error;
    const main = await source.resolve(repo, 'main', signal).catch(() => undefined);
    signal.throwIfAborted();
    if (main === undefined) throw error;
    const files = await list(main);
    const { matches, sets } = findQuantisation(files, revision);
    if (!mayBeQuantisation) throw matches.length > 0 ? isQuantisation(name, error) : error;
    // An ambiguous name is refused later, when the files are selected: there the candidates can be listed.
    if (matches.length > 0 || draftsNamed(files, revision).length > 0)
      return { revision: main, quantisation: revision };
    // A repository without such files has no quantisations to suggest.
    if (sets.length === 0) throw error;
    const labels = sets.flatMap(({ label }) => label ?? []);
    throw await notFound(name, labels, error, { source, signal });
  }
}

/** For `--revision` with the name of a quantisation. */
function isQuantisation({ repo, revision }: RevisionName, cause: FetchError): FetchError {
  return new FetchError('NOT_FOUND', cause.message, {
    cause,
    hint: `${revision} is a quantisation of main: write ${repo.id}:${revision} in place of --revision.`,
  });
}

async function notFound(
  { repo, revision }: RevisionName,
  labels: readonly string[],
  cause: FetchError,
  { source, signal }: { readonly source: Source; readonly signal: AbortSignal },
): Promise<FetchError> {
  const refs = can(source, 'branches') ? await source.branches(repo, signal).catch(() => []) : [];
  signal.throwIfAborted();
  const names = [...refs.map((ref) => ref.name), ...labels];
  return new FetchError('NOT_FOUND', `${repoPath(repo)} has no branch, tag or quantisation "${revision}"`, {
    cause,
    hint: suggestion(revision, names, 6),
  });
}

/** Whether a name matches GGUF files of a listing. */
export function hasQuantisation(files: readonly RemoteFile[], name: string): boolean {
  return findQuantisation(files, name).matches.length > 0;
}
