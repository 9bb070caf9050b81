import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RemoteFile } from '../model/remote-file.ts';
import { isSameRepo, type RepoRef } from '../model/repo.ts';
import { regularFile } from '../system/disk/regular-file.ts';
import { readHubMetadata } from './directory/hub-metadata.ts';
import { inside, STATE_DIRECTORY } from './directory/layout.ts';
import { inSlices } from './in-slices.ts';
import { isLocalName, localPath } from './paths/safe-path.ts';
import { type Manifest, readManifest } from './records/manifest.ts';

/** Where local copies of the same contents may be. */
export interface LocalCopyRoots {
  /** The directory that is being filled: never its own localCopy. */
  readonly directory: string;
  readonly repo: RepoRef;
  /** Named by the user: of whatever repository. Absolute. */
  readonly named: readonly string[];
  /** Also search the directories beside `directory` that hold the same repository. */
  readonly siblings: boolean;
  /** The central cache of `hf`, absolute; undefined to leave it alone. */
  readonly hubCache: string | undefined;
}

/** A parent with more entries than this is not a directory of models: it is not searched. */
const MAX_SIBLINGS = 500;

/**
 * For each file that can be had on this machine, where: by the digest that a manifest, a record of `hf` or the name of a
 * cached blob gives. Only regular files of the right size count. Nothing is read here; the content is hashed later.
 */
export async function findLocalCopies(
  places: LocalCopyRoots,
  files: readonly RemoteFile[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const known = new Map<string, string[]>();
  const read = (directory: string, manifest: Manifest | undefined): void => {
    for (const { path, oid } of manifest?.files ?? []) {
      if (!isLocalName(path)) continue;
      known.set(oid, [...(known.get(oid) ?? []), localPath(directory, path)]);
    }
  };
  for (const directory of places.named) read(directory, manifestIn(directory));
  const beside = places.siblings ? neighbours(places) : [];
  await inSlices(
    beside,
    (slice) => {
      for (const directory of slice) {
        const manifest = manifestIn(directory);
        if (manifest !== undefined && isSameRepo(manifest.repo, places.repo)) read(directory, manifest);
      }
    },
    signal,
  );
  const localCopies = new Map<string, string>();
  const look = (file: RemoteFile): void => {
    if (file.digest === undefined || file.size === 0) return;
    const { hex } = file.digest;
    const candidates = [
      ...(known.get(hex) ?? []),
      ...places.named.flatMap((directory) => recorded(directory, file)),
      ...(places.hubCache === undefined ? [] : [blobPath(places.hubCache, places.repo, hex)]),
    ];
    const found = candidates.find((path) => sizeAt(path) === file.size);
    if (found !== undefined) localCopies.set(file.path, found);
  };
  await inSlices(files, (slice) => slice.forEach(look), signal);
  return localCopies;
}

function manifestIn(directory: string): Manifest | undefined {
  return readManifest(inside(directory, `${STATE_DIRECTORY}/manifest.json`));
}

/** Directories beside the target. */
function neighbours({ directory }: LocalCopyRoots): string[] {
  const parent = dirname(directory);
  let names: string[];
  try {
    names = readdirSync(parent).slice(0, MAX_SIBLINGS);
  } catch {
    return [];
  }
  return names.filter((name) => name !== basename(directory)).map((name) => join(parent, name));
}

/** A directory made by `hf download` has no manifest, but one record per file. */
function recorded(directory: string, { path, digest }: RemoteFile): string[] {
  if (!isLocalName(path)) return [];
  return readHubMetadata(directory, path)?.etag === digest?.hex ? [localPath(directory, path)] : [];
}

/** `models--OWNER--NAME/blobs/HASH`. */
function blobPath(hubCache: string, { type, id }: RepoRef, hex: string): string {
  return join(hubCache, `${type}s--${id.replaceAll('/', '--')}`, 'blobs', hex);
}

function sizeAt(path: string): number | undefined {
  try {
    return regularFile(path)?.size;
  } catch {
    return undefined;
  }
}
