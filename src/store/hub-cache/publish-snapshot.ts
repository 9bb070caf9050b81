import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { remainingContents } from '../contents.ts';
import { makeFolder } from '../make-folder.ts';
import { type ManifestFile, readManifest, writeManifest } from '../manifest.ts';
import { regularFile } from '../regular-file.ts';
import { writeAtomically } from '../write-atomically.ts';
import type { CachePlaces } from './cache-places.ts';
import { removeRef, unfinishedRef, writeRef } from './refs.ts';
import { treeListing } from './tree-listing.ts';

const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# A cache of files from the Hugging Face Hub, in the layout of huggingface_hub. Everything here can be fetched again.
# About this file: https://bford.info/cachedir/
`;

export interface Publication {
  readonly revision: Revision;
  readonly endpoint: string;
  /** The files of this run that are right. */
  readonly contents: readonly ManifestFile[];
  readonly listing: readonly RemoteFile[];
  /** Whether these are all files of the revision: others believe the listing for ever. */
  readonly isWholeListing: boolean;
  /** Whether all that was asked for is there. */
  readonly complete: boolean;
}

/** Writes down what a snapshot has. The ref comes last: whoever finds it finds all the rest. */
export async function publishSnapshot(places: CachePlaces, publication: Publication): Promise<void> {
  const { revision, endpoint, listing, isWholeListing, complete } = publication;
  const { commit, name, repo } = revision;
  await tagCache(places.cache);
  await makeFolder(dirname(places.manifest(commit)));
  await writeManifest(places.manifest(commit), {
    version: 1,
    endpoint,
    repo: { type: repo.type, id: repo.id },
    revision: name,
    commit,
    files: allContents(places, publication),
  });
  const tree = isWholeListing ? treeListing(listing) : undefined;
  if (tree !== undefined && regularFile(places.tree(commit)) === undefined) {
    await makeFolder(dirname(places.tree(commit)));
    await writeAtomically(places.tree(commit), tree, join(places.parts, 'tree.new'));
  }
  if (!complete) return;
  if (name !== commit) await writeRef(places, name, commit);
  await removeRef(places, unfinishedRef(commit));
}

/** With what earlier runs brought of this commit. */
function allContents(places: CachePlaces, { revision, contents, listing }: Publication): ManifestFile[] {
  const { commit } = revision;
  const path = places.manifest(commit);
  const writtenMs = regularFile(path)?.mtimeMs ?? 0;
  const earlier = remainingContents(places.snapshot(commit), readManifest(path), revision, listing);
  // The new record is younger: it must not vouch for what was touched since the old one.
  const untouched = earlier.filter((entry) => {
    const found = regularFile(join(places.snapshot(commit), ...entry.path.split('/')));
    return (found?.mtimeMs ?? Number.POSITIVE_INFINITY) <= writtenMs;
  });
  return [...new Map([...untouched, ...contents].map((entry) => [entry.path, entry])).values()];
}

async function tagCache(cache: string): Promise<void> {
  try {
    await writeFile(join(cache, 'CACHEDIR.TAG'), CACHE_TAG, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
