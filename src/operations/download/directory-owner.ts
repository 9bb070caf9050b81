import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import type { DirectoryOwner } from '../../store/records/records.ts';

interface Target {
  readonly directory: string;
  readonly endpoint: string;
  /** The name that the caller gave; after a rename the hub has another one. */
  readonly repo: RepoRef;
  /** Continue although the directory holds another repository. */
  readonly replaceRepo?: boolean | undefined;
}

/** The content of the download. */
interface Arrival {
  readonly revision: Revision;
  readonly selected: readonly RemoteFile[];
}

/**
 * Throws USAGE if the directory holds another repository: files of the same name would be replaced, and the rest
 * mixed. The same name at another endpoint counts as the same repository (a mirror) if the commit or any of the files
 * is the same.
 */
export function refuseForeign(target: Target, owner: DirectoryOwner | undefined, arrival: Arrival): void {
  const { directory, endpoint, repo } = target;
  const { revision } = arrival;
  if (owner === undefined || target.replaceRepo === true) return;
  const isNamed = isSameRepo(owner.repo, repo) || isSameRepo(owner.repo, revision.repo);
  if (isNamed && (owner.endpoint === endpoint || isMirrored(owner, arrival))) return;
  const where = owner.endpoint === endpoint ? '' : ` of ${owner.endpoint}`;
  const held = `${repoPath(owner.repo)}${where}, ${owner.revision} at ${shortId(owner.commit)}`;
  const name = repoPath(revision.repo);
  throw new FetchError('USAGE', `${directory} holds ${held}: ${name} would replace files of it`, {
    hint: `Use --local-dir DIR to put ${name} elsewhere, or --replace-repo to replace it.`,
  });
}

/** Every new repository gets it from a template, so it proves nothing. */
const TEMPLATE = '.gitattributes';

function isMirrored(owner: DirectoryOwner, { revision, selected }: Arrival): boolean {
  if (owner.commit === revision.id) return true;
  const known = new Map(owner.files?.map(({ path, oid }) => [path, oid]));
  return selected.some(
    ({ path, digest }) => digest !== undefined && path !== TEMPLATE && known.get(path) === digest.hex,
  );
}
