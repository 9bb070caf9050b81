import { dirname, join } from 'node:path';
import type { Listing } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { markCache } from '../../system/disk/mark-cache.ts';
import { regularFile } from '../../system/disk/regular-file.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { currentEntries } from '../records/contents.ts';
import { type ManifestEntry, readManifest, writeManifest } from '../records/manifest.ts';
import type { CachePaths } from './cache-paths.ts';
import { removeRef, unfinishedRef, writeRef } from './refs.ts';
import { treeListing } from './tree-listing.ts';

const ABOUT =
  'A cache of files from the Hugging Face Hub, in the layout of huggingface_hub. Everything here can be fetched again.';

interface PublishedSnapshot {
  readonly revision: Revision;
  readonly endpoint: string;
  /** The verified files of this run. */
  readonly contents: readonly ManifestEntry[];
  /** Written only if it is complete: other programs never check it again. */
  readonly listing: Listing;
  /** Whether every selected file is there. */
  readonly complete: boolean;
}

/** Writes the records of a snapshot. The ref comes last, so that a reader who finds the ref finds everything else. */
export async function publishSnapshot(
  paths: CachePaths,
  publication: PublishedSnapshot,
  flush: Flush,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { revision, endpoint, listing, complete } = publication;
  const { id: commit, name } = revision;
  await markCache(paths.cache, ABOUT);
  await ensureDirectory(dirname(paths.manifest(commit)));
  const earlier = readManifest(paths.manifest(commit));
  const directory = paths.snapshot(commit);
  const change = { directory, earlier, revision, listing: listing.files, brought: publication.contents };
  const files = await currentEntries(change, signal);
  await writeManifest(paths.manifest(commit), { revision, endpoint, files }, flush);
  await flush.directory(dirname(paths.manifest(commit)));
  const tree = listing.complete ? treeListing(listing.files) : undefined;
  if (tree !== undefined && regularFile(paths.tree(commit)) === undefined) {
    await ensureDirectory(dirname(paths.tree(commit)));
    await writeAtomically(paths.tree(commit), tree, { temporary: join(paths.parts, 'tree.new'), flush });
  }
  if (!complete) return;
  if (name !== commit) await writeRef(paths, name, commit, flush);
  await removeRef(paths, unfinishedRef(commit));
}
