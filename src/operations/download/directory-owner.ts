import { readdirSync, readFileSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { isSameRepo, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { inside, MANIFEST_FILE, PARTS_DIRECTORY, STATE_DIRECTORY } from '../../store/directory/layout.ts';
import { readManifest } from '../../store/records/manifest.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';

/** Says whose files a directory holds as long as no manifest does: of a run that has not come to its end. */
const OWNER_FILE = `${STATE_DIRECTORY}/repository.json`;

interface Target {
  readonly directory: string;
  readonly endpoint: string;
  /** As it was asked for; the hub may know it by a newer name. */
  readonly repo: RepoRef;
  readonly cache?: unknown;
  /** Go on although the directory holds another repository. */
  readonly replaceRepo?: boolean | undefined;
}

/** What a file of a directory is, by its name at the hub. */
interface OwnedFile {
  readonly path: string;
  readonly oid: string;
}

interface Owner {
  readonly files?: readonly OwnedFile[];
  readonly endpoint: string;
  readonly repo: RepoRef;
  readonly revision: string;
  readonly commit: string;
}

/**
 * Throws USAGE if the directory holds another repository: files of one name would be replaced, and the rest mixed. The same
 * name at another endpoint is the same repository, as at a mirror, if the commit or any of the files is the same.
 */
export function refuseForeign(target: Target, revision: Revision, files: readonly RemoteFile[]): void {
  const { directory, endpoint, repo } = target;
  if (target.cache !== undefined || target.replaceRepo === true) return;
  const owner = readManifest(inside(directory, MANIFEST_FILE)) ?? readOwner(directory);
  if (owner === undefined) return;
  const isNamed = isSameRepo(owner.repo, repo) || isSameRepo(owner.repo, revision.repo);
  if (isNamed && (owner.endpoint === endpoint || isMirrored(owner, revision, files))) return;
  const where = owner.endpoint === endpoint ? '' : ` of ${owner.endpoint}`;
  const held = `${repoPath(owner.repo)}${where}, ${owner.revision} at ${shortId(owner.commit)}`;
  const name = repoPath(revision.repo);
  throw new FetchError('USAGE', `${directory} holds ${held}: ${name} would replace files of it`, {
    hint: `Use --local-dir DIR to put ${name} elsewhere, or --replace-repo if it shall take that place.`,
  });
}

/** Every new repository gets this one from a template. */
const TEMPLATE = '.gitattributes';

function isMirrored(owner: Owner, { id: commit }: Revision, files: readonly RemoteFile[]): boolean {
  if (owner.commit === commit) return true;
  const known = new Map(owner.files?.map(({ path, oid }) => [path, oid]));
  return files.some(
    ({ path, digest }) => digest !== undefined && path !== TEMPLATE && known.get(path) === digest.hex,
  );
}

/**
 * Writes down whose files come into the directory. To be awaited at the end: takes the note back when the manifest says it,
 * or when nothing came.
 */
export async function claimDirectory(
  { directory, endpoint, cache }: Target,
  revision: Revision,
): Promise<{ readonly emit: Emit; release(): Promise<void> }> {
  if (cache !== undefined) return { emit: () => {}, release: async () => {} };
  const path = inside(directory, OWNER_FILE);
  const { repo, name, id: commit } = revision;
  const owner: Owner = { endpoint, repo, revision: name, commit };
  await onDisk(path, () => writeAtomically(path, `${JSON.stringify(owner)}\n`));
  let hasFiles = false;
  return {
    emit: (event) => {
      if (event.type === 'file-finished') hasFiles = true;
    },
    release: async () => {
      const manifest = readManifest(inside(directory, MANIFEST_FILE));
      const isSaid = manifest?.commit === commit && isSameRepo(manifest.repo, repo);
      if (isSaid || (!hasFiles && !hasParts(directory))) await unlink(path).catch(() => {});
    },
  };
}

function hasParts(directory: string): boolean {
  try {
    return readdirSync(inside(directory, PARTS_DIRECTORY)).length > 0;
  } catch {
    return false;
  }
}

function readOwner(directory: string): Owner | undefined {
  try {
    const { endpoint, repo, revision, commit } = JSON.parse(
      readFileSync(inside(directory, OWNER_FILE), 'utf8'),
    );
    const texts = [endpoint, repo.type, repo.id, repo.source ?? '', revision, commit];
    return texts.every((text) => typeof text === 'string') ? { endpoint, repo, revision, commit } : undefined;
  } catch {
    return undefined;
  }
}
