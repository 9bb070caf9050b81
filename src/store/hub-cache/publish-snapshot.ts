import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Listing } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { regularFile } from '../../system/disk/regular-file.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { retainedEntries } from '../records/contents.ts';
import { type ManifestEntry, readManifest, writeManifest } from '../records/manifest.ts';
import type { CachePaths } from './cache-paths.ts';
import { removeRef, unfinishedRef, writeRef } from './refs.ts';
import { treeListing } from './tree-listing.ts';

const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# A cache of files from the Hugging Face Hub, in the layout of huggingface_hub. Everything here can be fetched again.
# About this file: https://bford.info/cachedir/
`;

interface PublishedSnapshot {
  readonly revision: Revision;
  readonly endpoint: string;
  /** The files of this run that are right. */
  readonly contents: readonly ManifestEntry[];
  /** Written only if it is complete: others believe it for ever. */
  readonly listing: Listing;
  /** Whether all that was asked for is there. */
  readonly complete: boolean;
}

/** Writes the records of a snapshot. The ref comes last, so that a reader who finds it finds everything. */
export async function publishSnapshot(
  places: CachePaths,
  publication: PublishedSnapshot,
  flush: Flush,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { revision, endpoint, listing, complete } = publication;
  const { id: commit, name } = revision;
  await tagCache(places.cache);
  await ensureDirectory(dirname(places.manifest(commit)));
  const files = await allContents(places, publication, signal);
  await writeManifest(places.manifest(commit), { revision, endpoint, files }, flush);
  await flush.directory(dirname(places.manifest(commit)));
  const tree = listing.complete ? treeListing(listing.files) : undefined;
  if (tree !== undefined && regularFile(places.tree(commit)) === undefined) {
    await ensureDirectory(dirname(places.tree(commit)));
    await writeAtomically(places.tree(commit), tree, { temporary: join(places.parts, 'tree.new'), flush });
  }
  if (!complete) return;
  if (name !== commit) await writeRef(places, name, commit, flush);
  await removeRef(places, unfinishedRef(commit));
}

/** With what earlier runs brought of this commit. */
async function allContents(
  places: CachePaths,
  { revision, contents, listing }: PublishedSnapshot,
  signal: AbortSignal | undefined,
): Promise<ManifestEntry[]> {
  const { id: commit } = revision;
  const written = readManifest(places.manifest(commit));
  const earlier = await retainedEntries(places.snapshot(commit), written, revision, listing.files, signal);
  return [...new Map([...earlier, ...contents].map((entry) => [entry.path, entry])).values()];
}

async function tagCache(cache: string): Promise<void> {
  try {
    await writeFile(join(cache, 'CACHEDIR.TAG'), CACHE_TAG, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
