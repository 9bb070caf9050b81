import { readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { RepoRef, RepoType } from '../../model/repo.ts';
import { onDiskSync } from '../../system/disk/disk-error.ts';
import type { CachedFile, CachedRepo, CachedRevision } from '../central-cache.ts';
import { CachePaths, repoDirectoryName, STATE_DIRECTORY } from './cache-paths.ts';
import { readRef, UNFINISHED_REFS } from './refs.ts';
import { snapshotEntry } from './snapshot-entry.ts';

const TYPES = new Map<string, RepoType>([
  ['models', 'model'],
  ['datasets', 'dataset'],
  ['spaces', 'space'],
]);
/** Files that operating systems create by themselves. */
const IGNORED = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

/** The repositories that have a directory in a cache, sorted by the name of it. */
export function reposIn(cache: string): RepoRef[] {
  return onDiskSync(cache, () => reposOf(names(cache)));
}

/** Every repository in a cache, sorted by name. Read-only. */
export function scanCache(cache: string): CachedRepo[] {
  return onDiskSync(cache, () => {
    // After `hf cache rm`, our parts of the repository still take space.
    const begun = names(join(cache, ...STATE_DIRECTORY.split('/')));
    const repos = reposOf([...new Set([...names(cache), ...begun])].toSorted());
    const found = repos.map((repo) => scanRepo(new CachePaths(cache, repo), repo));
    return found.filter(({ revisions, partBytes, danglingRefs }) => {
      return revisions.length > 0 || partBytes > 0 || danglingRefs.length > 0;
    });
  });
}

export function scanRepo(paths: CachePaths, repo: RepoRef): CachedRepo {
  const commits = names(paths.snapshots).filter((name) => isDirectory(paths.snapshot(name)));
  const refs = readRefs(paths);
  const revisions = commits.map((commit) => scanSnapshot(paths, commit, refs));
  const known = new Set(commits);
  return {
    repo,
    path: paths.repo,
    revisions,
    bytes: bytesOf(revisions.flatMap(({ commit, files }) => files.map((file) => ({ commit, ...file })))),
    partBytes: names(paths.parts).reduce((sum, name) => sum + allocated(join(paths.parts, name)), 0),
    danglingRefs: [...refs].filter(([, commit]) => !known.has(commit)).map(([name]) => name),
  };
}

function reposOf(directories: readonly string[]): RepoRef[] {
  return directories.flatMap((name) => repoOf(name) ?? []);
}

/** Parses `models--owner--name`; undefined for any other name. */
function repoOf(directory: string): RepoRef | undefined {
  const [prefix = '', ...parts] = directory.split('--');
  const type = TYPES.get(prefix);
  if (type === undefined || parts.length === 0 || parts.includes('')) return undefined;
  const repo = { type, id: parts.join('/') };
  return repoDirectoryName(repo) === directory ? repo : undefined;
}

function scanSnapshot(paths: CachePaths, commit: string, refs: ReadonlyMap<string, string>): CachedRevision {
  const root = paths.snapshot(commit);
  const files: CachedFile[] = [];
  const broken: string[] = [];
  for (const path of filesBelow(root)) {
    const name = relative(root, path).split(sep).join('/');
    const entry = snapshotEntry(paths, path);
    if (entry.kind === 'blob') files.push({ path: name, size: Number(entry.found.size), blob: entry.name });
    else if (entry.kind === 'file')
      files.push({ path: name, size: Number(entry.found.size), blob: undefined });
    else broken.push(name);
  }
  const own = [...refs].filter(([, target]) => target === commit).map(([name]) => name);
  const isUnfinished = (name: string) => name.startsWith(`${UNFINISHED_REFS}/`);
  return {
    commit,
    refs: own.filter((name) => !isUnfinished(name)),
    unfinished: own.some(isUnfinished),
    path: root,
    files,
    bytes: bytesOf(files),
    broken,
  };
}

function bytesOf(files: readonly (CachedFile & { readonly commit?: string })[]): number {
  const contents = files.map(({ commit, path, blob, size }) => {
    return [blob ?? `${commit ?? ''}/${path}`, size] as const;
  });
  return [...new Map(contents).values()].reduce((sum, size) => sum + size, 0);
}

/** The commit of every ref, by its name. */
function readRefs(paths: CachePaths): Map<string, string> {
  const refs = new Map<string, string>();
  for (const path of filesBelow(paths.refs)) {
    const commit = readRef(path);
    if (commit !== undefined) refs.set(relative(paths.refs, path).split(sep).join('/'), commit);
  }
  return refs;
}

/** All entries that are not directories; links are not followed. */
function filesBelow(directory: string): string[] {
  if (!isDirectory(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !IGNORED.has(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Parts are sparse: the space that they take, not their size. */
function allocated(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? 0 : Math.min(found.size, found.blocks * 512);
}
