import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RemoteFile } from '../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../model/repo.ts';
import { CachePaths } from './hub-cache/cache-paths.ts';
import { ifReadable } from './if-readable.ts';
import { inSlices } from './in-slices.ts';
import { type LocalCopyRoots, neighbours } from './local-copies.ts';
import {
  openChunkRecords,
  openDirectoryChunkRecords,
  openDirectoryRecords,
  openRecords,
} from './open-store.ts';
import { isLocalName, localPath } from './paths/safe-path.ts';
import type { ChunkRecords } from './records/chunk-records.ts';
import type { HashRecords } from './records/hash-records.ts';
import type { Manifest, ManifestEntry } from './records/manifest.ts';
import { stampedFile } from './records/stamp.ts';

/** A file on this machine that is another version of one that is wanted. */
export interface OlderVersion {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Undefined where the records do not name it; the revision that the file is from may. */
  readonly xetHash: string | undefined;
  /** The revision that it is from, and its name there. */
  readonly commit: string;
  readonly name: string;
  /** False if it may have been changed since fetch hashed it: then no record says which chunks it has. */
  readonly unchanged: boolean;
  /** Records of chunks beside it. */
  readonly chunks: ChunkRecords;
}

/** Of one file: more would cost more time than they save. */
const MAX_VERSIONS = 3;
/** Snapshots of a cache that are looked at, the newest first. */
const MAX_SNAPSHOTS = 20;

/** What the records of a directory say, read at the first look. */
interface Known {
  readonly manifest: Manifest | undefined;
  readonly entries: ReadonlyMap<string, ManifestEntry>;
  readonly hashes: HashRecords;
}

type Look = (file: RemoteFile) => OlderVersion | undefined;

/**
 * Finds other versions of files by their name: in the target directory, in the named ones, in those beside the target that
 * hold the same repository, and in the central cache. Reads only records, which may be outdated.
 */
export async function findOlderVersions(
  roots: LocalCopyRoots,
  files: readonly RemoteFile[],
  signal: AbortSignal,
): Promise<Map<string, OlderVersion[]>> {
  const { directory, repo, named, hubCache } = roots;
  const places: Look[] = [lookInDirectory(directory, repo), ...named.map((one) => lookInDirectory(one))];
  const beside = roots.siblings ? neighbours(roots) : [];
  await inSlices(beside, (slice) => places.push(...slice.map((one) => lookInDirectory(one, repo))), signal);
  if (hubCache !== undefined) places.push(...looksInCache(hubCache, repo));
  const found = new Map<string, OlderVersion[]>();
  const look = (slice: readonly RemoteFile[]): void => {
    for (const file of slice) {
      const versions = versionsOf(file, places);
      if (versions.length > 0) found.set(file.path, versions);
    }
  };
  await inSlices(files, look, signal);
  return found;
}

function versionsOf(file: RemoteFile, places: readonly Look[]): OlderVersion[] {
  const versions = new Map<string, OlderVersion>();
  for (const place of places) {
    if (versions.size >= MAX_VERSIONS) break;
    const version = ifReadable(() => place(file));
    if (version === undefined || version.size === 0) continue;
    const key = version.xetHash ?? `${version.commit} ${version.name}`;
    // Of two files with the same content the unchanged one.
    if (versions.get(key)?.unchanged !== true) versions.set(key, version);
  }
  return [...versions.values()];
}

function knownOf(manifest: Manifest | undefined, hashes: HashRecords): Known {
  return { manifest, entries: new Map(manifest?.files.map((entry) => [entry.path, entry])), hashes };
}

/** With `repo`, only if the directory holds that repository. */
function lookInDirectory(directory: string, repo?: RepoRef): Look {
  const records = openDirectoryRecords(directory);
  let known: Known | undefined;
  const chunks = openDirectoryChunkRecords(directory);
  return ({ path: name }) => {
    known ??= knownOf(
      ifReadable(() => records.current()),
      records.hashes(),
    );
    const { manifest, entries, hashes } = known;
    if (manifest === undefined || (repo !== undefined && !isSameRepo(manifest.repo, repo))) return undefined;
    const entry = entries.get(name);
    if (entry === undefined || !isLocalName(name)) return undefined;
    const path = localPath(directory, name);
    const here = stampedFile(path);
    if (here?.size !== entry.size) return undefined;
    const unchanged = hashes.find(name, here.stamp)?.sha256 === entry.sha256;
    return { path, size: entry.size, xetHash: entry.xet, commit: manifest.commit, name, unchanged, chunks };
  };
}

/** One for each snapshot of the repository. */
function looksInCache(cache: string, repo: RepoRef): Look[] {
  const paths = ifReadable(() => new CachePaths(cache, repo));
  if (paths === undefined) return [];
  const location = { directory: cache, repo, cache: { links: true } };
  const records = openRecords(location);
  const chunks = openChunkRecords(location);
  return newest(paths.snapshots).map((commit): Look => {
    let files: ReadonlyMap<string, RemoteFile> | undefined;
    return ({ path: name }) => {
      files ??= new Map(records.listing(commit).files.map((file) => [file.path, file]));
      const file = files.get(name);
      if (file?.digest === undefined) return undefined;
      const path = paths.blob(file.digest.hex);
      if (stampedFile(path)?.size !== file.size) return undefined;
      const xetHash = file.pointer?.xetHash;
      // The name of a blob is its digest, and blobs are never edited.
      return { path, size: file.size, xetHash, commit, name, unchanged: true, chunks };
    };
  });
}

function newest(snapshots: string): string[] {
  try {
    return readdirSync(snapshots)
      .map((name) => ({ name, time: statSync(join(snapshots, name)).mtimeMs }))
      .sort((left, right) => right.time - left.time)
      .slice(0, MAX_SNAPSHOTS)
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
