import type { RemoteFile } from '../model/remote-file.ts';
import type { HeldRevision } from '../store/held-revision.ts';
import type { ServedRef } from './catalog.ts';
import { gitBlob } from './git-pointer.ts';

/** An entry of a tree or of paths-info, as the Hub writes it. */
export type TreeEntry =
  | {
      readonly type: 'file';
      readonly oid: string;
      readonly size: number;
      readonly path: string;
      readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
    }
  | { readonly type: 'directory'; readonly oid: string; readonly size: 0; readonly path: string };

/** The ids of git trees are not on record here; no client uses them. */
const UNKNOWN_OID = '0'.repeat(40);

/** The answer of `/api/models/REPO` and of `…/revision/REV`. `blobs`: with size and hashes of every file. */
export function infoDocument(
  { repo, commit, files, recordedMs }: HeldRevision,
  { blobs }: { readonly blobs: boolean },
): unknown {
  const date = new Date(recordedMs).toISOString();
  return {
    _id: commit.slice(0, 24),
    id: repo.id,
    ...(repo.type === 'model' ? { modelId: repo.id } : {}),
    ...(repo.id.includes('/') ? { author: repo.id.slice(0, repo.id.indexOf('/')) } : {}),
    sha: commit,
    lastModified: date,
    createdAt: date,
    private: false,
    gated: false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: [],
    siblings: [...files.values()].flatMap((file) => sibling(file, blobs) ?? []),
  };
}

function sibling(file: RemoteFile, blobs: boolean): unknown {
  const { path: rfilename, size } = file;
  const blob = gitBlob(file);
  if (!blobs || blob === undefined) return { rfilename };
  const lfs = lfsOf(file, blob.pointer);
  return {
    rfilename,
    blobId: blob.oid,
    size,
    // Called `oid` in a tree, and `sha256` here.
    ...(lfs === undefined ? {} : { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } }),
  };
}

/** The answer of `/refs`. The Hub leaves out pull requests unless they are asked for. */
export function refsDocument(refs: readonly ServedRef[], withPullRequests: boolean): unknown {
  const under = (prefix: string) =>
    refs
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, commit }) => ({ name: name.slice(prefix.length), ref: name, targetCommit: commit }));
  const branches = refs
    .filter(({ name }) => !name.startsWith('refs/'))
    .map(({ name, commit }) => ({ name, ref: `refs/heads/${name}`, targetCommit: commit }));
  return {
    tags: [],
    branches,
    converts: under('refs/convert/'),
    ...(withPullRequests ? { pullRequests: under('refs/pr/') } : {}),
  };
}

/**
 * The entries below a directory of the repository, sorted by path; `''` is the root. Undefined if there is no such directory.
 * Without `recursive` only its own entries.
 */
export function treeEntries(
  { files }: HeldRevision,
  directory: string,
  recursive: boolean,
): readonly TreeEntry[] | undefined {
  const prefix = directory === '' ? '' : `${directory}/`;
  const below = [...files.values()].filter(({ path }) => path.startsWith(prefix));
  if (below.length === 0 && directory !== '') return undefined;
  const entries = new Map<string, TreeEntry>();
  for (const file of below) {
    const parts = file.path.slice(prefix.length).split('/');
    const directories = recursive ? parts.length - 1 : Math.min(parts.length - 1, 1);
    for (let depth = 1; depth <= directories; depth += 1) {
      const path = prefix + parts.slice(0, depth).join('/');
      if (!entries.has(path)) entries.set(path, directoryEntry(path));
    }
    if (recursive || parts.length === 1) {
      const entry = fileEntry(file);
      if (entry !== undefined) entries.set(file.path, entry);
    }
  }
  return [...entries.values()].toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

/** The entries of these paths; the others are left out, as the Hub does. */
export function pathEntries({ files }: HeldRevision, paths: readonly string[]): readonly TreeEntry[] {
  const directories = new Set([...files.keys()].flatMap(parentsOf));
  return [...new Set(paths)].flatMap((asked) => {
    const path = asked.replace(/\/$/, '');
    const file = files.get(path);
    if (file !== undefined) return fileEntry(file) ?? [];
    return directories.has(path) ? directoryEntry(path) : [];
  });
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

function directoryEntry(path: string): TreeEntry {
  return { type: 'directory', oid: UNKNOWN_OID, size: 0, path };
}

function fileEntry(file: RemoteFile): TreeEntry | undefined {
  const blob = gitBlob(file);
  if (blob === undefined) return undefined;
  const { size, path } = file;
  const lfs = lfsOf(file, blob.pointer);
  return { type: 'file', oid: blob.oid, size, path, ...(lfs === undefined ? {} : { lfs }) };
}

function lfsOf(
  { digest, sha256, size }: RemoteFile,
  pointer: string | undefined,
): { readonly oid: string; readonly size: number; readonly pointerSize: number } | undefined {
  const oid = digest?.hex ?? sha256;
  if (pointer === undefined || oid === undefined) return undefined;
  return { oid, size, pointerSize: Buffer.byteLength(pointer) };
}
