import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchError } from '../../model/error.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import { onDisk, onDiskSync } from '../../system/disk-error.ts';
import { DirectoryLock, type LockContext } from '../lock.ts';
import { MadeFolders } from '../made-folders.ts';
import { readManifest } from '../manifest.ts';
import { existingAncestor } from '../obstacles.ts';
import { PartsFolder } from '../parts-folder.ts';
import { refuseNames } from '../refuse-names.ts';
import { regularFile } from '../regular-file.ts';
import { localPath } from '../safe-path.ts';
import { StagedPart } from '../staged-part.ts';
import type { ContentDigests, StagedFile, Store, Survey } from '../store.ts';
import { CachePlaces } from './cache-places.ts';
import { CachedHoldings, findContent } from './cached-holdings.ts';
import { cacheNameProblems } from './name-problems.ts';
import { publishSnapshot } from './publish-snapshot.ts';
import { unfinishedRef, writeRef } from './refs.ts';
import { canLink, copyOfBlob, linkToBlob } from './snapshot-links.ts';

export interface HubCacheStoreOptions {
  /** Absolute path of the root of the cache. Need not exist. */
  readonly cache: string;
  /** Under the name that was asked for: that is where others look, also after the hub has renamed it. */
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly endpoint: string;
  readonly platform: 'posix' | 'win32';
  /** What to believe of the case of names where the file system does not tell. */
  readonly ignoresCase: boolean;
  readonly lock: LockContext;
  /** False: files instead of links, also where links work. */
  readonly links: boolean;
}

/**
 * The central cache of the Hub's own clients: the content of a file is a blob that bears its hash, and every
 * commit is a folder of links to blobs.
 */
export class HubCacheStore implements Store {
  readonly directory: string;
  readonly #options: HubCacheStoreOptions;
  readonly #places: CachePlaces;
  readonly #parts: PartsFolder;
  readonly #folders = new MadeFolders();
  /** The sha256 of files that are right, by path. */
  readonly #known = new Map<string, string>();
  /** Files that were hashed where they stood, and so were right at the time of the survey. */
  readonly #adopted = new Set<string>();
  #surveyedMs: number;
  #links: Promise<boolean> | undefined;
  #marked: Promise<void> | undefined;
  #lock: DirectoryLock | undefined;

  constructor(options: HubCacheStoreOptions) {
    const { cache, repo, revision, lock } = options;
    this.#options = options;
    this.#places = new CachePlaces(cache, repo);
    this.directory = this.#places.snapshot(revision.commit);
    this.#parts = new PartsFolder(this.#places.parts, revision, lock);
    this.#surveyedMs = lock.clock.now();
  }

  async refuseNames(files: readonly RemoteFile[]): Promise<void> {
    const { revision } = this.#options;
    const paths = files.map((file) => file.path);
    const problems = onDiskSync(this.directory, () =>
      cacheNameProblems(this.#places, revision, paths, this.#options),
    );
    refuseNames(this.directory, problems, 'Leave them out with --exclude, or use another --cache-dir.');
  }

  async open(): Promise<void> {
    const { blobs, refs, parts, lock, cache } = this.#places;
    await onDisk(cache, () => this.#folders.make(parts));
    this.#lock = await DirectoryLock.take(lock, this.#options.lock, '--cache-dir');
    await onDisk(cache, async () => {
      for (const folder of [blobs, refs, this.directory]) await this.#folders.make(folder);
    });
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    this.#surveyedMs = this.#options.lock.clock.now();
    const { commit } = this.#options.revision;
    const manifestPath = this.#places.manifest(commit);
    const found = new CachedHoldings({
      places: this.#places,
      commit,
      parts: this.#parts,
      manifest: readManifest(manifestPath),
      manifestMs: regularFile(manifestPath)?.mtimeMs ?? 0,
    });
    const holdings = new Map<string, Holding>();
    for (const file of files) {
      signal.throwIfAborted();
      holdings.set(file.path, found.of(file));
    }
    for (const [path, sha256] of found.recognised) this.#known.set(path, sha256);
    return { holdings, freeBytes: await this.#freeBytes() };
  }

  finalPath(file: RemoteFile): string {
    return localPath(this.directory, file.path);
  }

  candidatePath(file: RemoteFile): string {
    const content = findContent(this.#places, this.#options.revision.commit, file);
    return typeof content === 'object' ? content.path : this.finalPath(file);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const name = this.finalPath(file);
    const links = await this.#canLink();
    // Without links the blob itself is what stands in the snapshot.
    const final = ({ sha256 }: ContentDigests) =>
      links ? this.#places.blob(file.digest?.hex ?? sha256) : name;
    const { clock } = this.#options.lock;
    return await onDisk(file.path, () => {
      const { identity, ...parts } = this.#parts.take(file);
      return new StagedPart({ ...parts, final }, identity, {
        boot: this.#parts.boot,
        monotonic: () => clock.monotonic(),
        onCommit: async (digests) => {
          if (links) await linkToBlob(final(digests), name, this.#parts.scratch(file));
          await this.#mark();
          this.#known.set(file.path, digests.sha256);
        },
      });
    });
  }

  async adopt(file: RemoteFile, { sha256 }: ContentDigests): Promise<void> {
    const content = findContent(this.#places, this.#options.revision.commit, file);
    if (typeof content === 'object' && !content.named) {
      const name = this.finalPath(file);
      const temporary = this.#parts.scratch(file);
      await onDisk(name, async () => {
        if (await this.#canLink()) await linkToBlob(content.path, name, temporary);
        else await copyOfBlob(content.path, name, temporary);
        await this.#mark();
      });
    }
    this.#known.set(file.path, sha256);
    this.#adopted.add(file.path);
  }

  async publish(
    revision: Revision,
    selected: readonly RemoteFile[],
    listing: readonly RemoteFile[],
    complete = true,
    isWholeListing = true,
  ): Promise<void> {
    const contents = selected.flatMap(({ path, size, digest }) => {
      const sha256 = this.#known.get(path);
      if (sha256 === undefined) throw new FetchError('BUG', `nothing is known of ${path}`);
      // The clock counts whole milliseconds, the file system parts of them.
      const touched = this.#adopted.has(path) && Math.floor(this.#modifiedMs(path)) > this.#surveyedMs;
      return touched ? [] : [{ path, size, sha256, oid: digest?.hex ?? sha256 }];
    });
    const { endpoint } = this.#options;
    await onDisk(this.#places.repo, async () => {
      await publishSnapshot(this.#places, {
        revision,
        endpoint,
        contents,
        listing,
        isWholeListing,
        complete,
      });
    });
    // @huggingface/hub wants the folder of refs even if there is none.
    this.#folders.keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.[Symbol.asyncDispose]();
    this.#lock = undefined;
    await this.#folders.removeEmpty();
  }

  #canLink(): Promise<boolean> {
    this.#links ??= this.#options.links ? canLink(this.#places.parts) : Promise.resolve(false);
    return this.#links;
  }

  /** Once something is finished, others must not take it for something that nobody needs. */
  #mark(): Promise<void> {
    const { commit } = this.#options.revision;
    this.#marked ??= writeRef(this.#places, unfinishedRef(commit), commit);
    return this.#marked;
  }

  #modifiedMs(path: string): number {
    return regularFile(join(this.directory, ...path.split('/')))?.mtimeMs ?? Number.POSITIVE_INFINITY;
  }

  async #freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(existingAncestor(this.#places.repo));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }
}
