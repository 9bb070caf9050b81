import { relative, sep } from 'node:path';
import type { ContentDigests } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import { CreatedDirectories } from '../../system/disk/created-directories.ts';
import { onDisk, onDiskSync } from '../../system/disk/disk-error.ts';
import { Flush } from '../../system/disk/flush.ts';
import { freeBytes } from '../../system/disk/free-bytes.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { DirectoryLock } from '../directory-lock.ts';
import { inSlices } from '../in-slices.ts';
import { PartNamer } from '../parts/part-namer.ts';
import { PartsDirectory } from '../parts/parts-directory.ts';
import { StagedPart } from '../parts/staged-part.ts';
import { FinalPlace } from '../paths/final-place.ts';
import { lookOnceMore } from '../paths/last-look.ts';
import { probeFolding } from '../paths/name-folding.ts';
import { refuseNames } from '../paths/refuse-names.ts';
import { checkNames, localPath, mayFallTogether, type NameProblem } from '../paths/safe-path.ts';
import { hashedEntries } from '../records/contents.ts';
import { HashRecords } from '../records/hash-records.ts';
import { readManifest } from '../records/manifest.ts';
import { stampedFile } from '../records/stamp.ts';
import type { Publication, StagedFile, Store, Survey } from '../store.ts';
import { CachePaths } from './cache-paths.ts';
import { CachedHoldings, findContent } from './cached-holdings.ts';
import { cacheNameProblems, cachePathConflicts } from './name-problems.ts';
import { publishSnapshot } from './publish-snapshot.ts';
import { unfinishedRef, writeRef } from './refs.ts';
import { type CopyMeans, canLink, copyOfBlob, linkToBlob } from './snapshot-links.ts';

export interface HubCacheStoreOptions {
  /** Absolute path of the root of the cache. Need not exist. */
  readonly cache: string;
  /** The name that the user gave: other programs look for that one, also after a rename. */
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly endpoint: string;
  readonly platform: 'posix' | 'win32';
  /** Whether names are case-insensitive, if the file system does not tell. */
  readonly ignoresCase: boolean;
  readonly lock: ProcessContext;
  /** Flushes content and names; the system's own calls if left out. */
  readonly flush?: Flush;
  /** Small files that are named in the calling thread before a worker starts; without it none starts. */
  readonly partsBeforeWorker?: number;
  /** Called with a message for the user, for example about a wait for another run. */
  readonly note?: ((message: string) => void) | undefined;
  /** False: write files instead of links, even if links work. */
  readonly links: boolean;
}

/**
 * The central cache of the Hub's own clients: a blob per content, named after its hash, and a directory of links to blobs
 * per commit.
 */
export class HubCacheStore implements Store {
  readonly directory: string;
  readonly #options: HubCacheStoreOptions;
  readonly #paths: CachePaths;
  readonly #parts: PartsDirectory;
  readonly #directories = new CreatedDirectories();
  readonly #place: FinalPlace;
  readonly #records: HashRecords;
  readonly #flush: Flush;
  readonly #namer: PartNamer;
  /** The sha256 of verified files, by path. */
  readonly #known = new Map<string, string>();
  /** Stamps that the candidates had at the survey, by the path of the file. */
  #candidates: ReadonlyMap<string, string> = new Map();
  #names: readonly string[] = [];
  #signal: AbortSignal | undefined;
  #links: Promise<boolean> | undefined;
  #marked: Promise<void> | undefined;
  #lock: DirectoryLock | undefined;

  constructor(options: HubCacheStoreOptions) {
    const { cache, repo, revision, lock } = options;
    this.#options = options;
    this.#paths = new CachePaths(cache, repo);
    this.directory = this.#paths.snapshot(revision.id);
    this.#parts = new PartsDirectory(this.#paths.parts, revision, lock, options.platform);
    this.#place = new FinalPlace(this.#paths.repo);
    this.#records = new HashRecords(this.#paths.state);
    this.#flush = options.flush ?? new Flush();
    const { partsBeforeWorker } = options;
    const root = this.#paths.repo;
    this.#namer = new PartNamer({ root, place: this.#place, flush: this.#flush, partsBeforeWorker });
  }

  async refuseNames(files: readonly RemoteFile[], signal?: AbortSignal): Promise<void> {
    const { revision } = this.#options;
    this.#names = files.map((file) => file.path);
    // Names are compared with each other, so all at once. The disk may be slow, so its checks run in slices.
    this.#refuse(() => cacheNameProblems(this.#paths, revision, this.#names, this.#options));
    const look = (paths: readonly string[]): void =>
      this.#refuse(() => cachePathConflicts(this.#paths, revision, paths));
    await inSlices(this.#names, look, signal);
  }

  #refuse(find: () => readonly NameProblem[]): void {
    const problems = onDiskSync(this.directory, find);
    refuseNames(this.directory, problems, 'Leave them out with --exclude, or use another --cache-dir.');
  }

  async open(signal?: AbortSignal): Promise<void> {
    this.#signal = signal;
    const { blobs, refs, parts, lock, cache, state } = this.#paths;
    const { note, platform, lock: context } = this.#options;
    await onDisk(cache, () => this.#directories.make(parts));
    this.#lock = await DirectoryLock.take(lock, context, { elsewhere: '--cache-dir', signal, note });
    await onDisk(cache, async () => {
      for (const directory of [blobs, refs, this.directory]) await this.#directories.make(directory);
    });
    if (!mayFallTogether(this.#names)) return;
    const found = onDiskSync(cache, () => probeFolding(state));
    const folding = { caseInsensitive: found.case, normalises: found.unicode };
    this.#refuse(() => checkNames(this.#names, platform, folding));
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    const { id: commit } = this.#options.revision;
    const found = new CachedHoldings({
      paths: this.#paths,
      commit,
      parts: this.#parts,
      manifest: readManifest(this.#paths.manifest(commit)),
      records: this.#records,
    });
    const holdings = new Map<string, Holding>();
    const look = (slice: readonly RemoteFile[]): void => {
      for (const file of slice) holdings.set(file.path, found.of(file));
    };
    await inSlices(files, look, signal);
    for (const [path, sha256] of found.recognised) this.#known.set(path, sha256);
    this.#candidates = found.candidates;
    return { holdings, freeBytes: await freeBytes(this.#paths.repo).catch(() => undefined) };
  }

  finalPath(file: RemoteFile): string {
    return localPath(this.directory, file.path);
  }

  candidatePath(file: RemoteFile): string {
    const content = findContent(this.#paths, this.#options.revision.id, file);
    return typeof content === 'object' ? content.path : this.finalPath(file);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const name = this.finalPath(file);
    const links = await this.#canLink();
    // Without links the snapshot holds the content itself.
    const final = ({ sha256 }: ContentDigests) =>
      links ? this.#paths.blob(file.digest?.hex ?? sha256) : name;
    const { clock } = this.#options.lock;
    return await onDisk(file.path, async () => {
      const { identity, ...parts } = await this.#parts.take(file, this.#signal);
      return new StagedPart({ ...parts, final }, identity, {
        boot: this.#parts.boot,
        monotonic: () => clock.monotonic(),
        flush: this.#flush,
        place: this.#place,
        namer: this.#namer,
        onCommit: async (digests, stamp) => {
          const path = final(digests);
          if (links) await linkToBlob(path, name, this.#parts.scratch(file), this.#means);
          await this.#mark();
          this.#record(file, path, digests, stamp);
        },
      });
    });
  }

  get #means(): CopyMeans {
    return { place: this.#place, flush: this.#flush, signal: this.#signal };
  }

  async adopt(file: RemoteFile, digests: ContentDigests): Promise<void> {
    const content = findContent(this.#paths, this.#options.revision.id, file);
    const name = this.finalPath(file);
    let path = typeof content === 'object' ? content.path : name;
    const before = this.#candidates.get(file.path);
    let stamp = stampedFile(path)?.stamp;
    // If the file has changed since the survey, do not record the hash.
    if (stamp !== before) stamp = undefined;
    if (typeof content === 'object' && !content.named) {
      const temporary = this.#parts.scratch(file);
      await onDisk(name, async () => {
        if (await this.#canLink()) {
          await linkToBlob(path, name, temporary, this.#means);
        } else {
          await copyOfBlob(path, name, temporary, this.#means);
          // The copy is a new file that was not hashed.
          path = name;
          stamp = undefined;
        }
        await this.#mark();
      });
    }
    this.#record(file, path, digests, stamp);
  }

  /** `path` is the file that holds the content. */
  #record(
    { path: name }: RemoteFile,
    path: string,
    digests: ContentDigests,
    stamp: string | undefined,
  ): void {
    this.#known.set(name, digests.sha256);
    if (stamp !== undefined) this.#records.add(contentName(this.#paths, path), stamp, digests);
  }

  async publish({ revision, files, listing, complete }: Publication): Promise<void> {
    const contents = hashedEntries(files, (path) => this.#known.get(path));
    const { endpoint } = this.#options;
    const [flush, signal] = [this.#flush, this.#signal];
    await onDisk(this.#paths.repo, async () => {
      await lookOnceMore(contents, (path) => localPath(this.directory, path), signal);
      await this.#place.makeDurable(flush);
      const what = { revision, endpoint, contents, listing, complete };
      await publishSnapshot(this.#paths, what, flush, signal);
      await this.#records.tidy(flush);
      for (const directory of [this.#paths.state, this.#paths.refs]) await flush.directory(directory);
    });
    // @huggingface/hub needs the directory of refs, even an empty one.
    this.#directories.keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#records.save();
    await this.#namer[Symbol.asyncDispose]();
    await this.#lock?.[Symbol.asyncDispose]();
    this.#lock = undefined;
    await this.#directories.removeEmpty();
  }

  #canLink(): Promise<boolean> {
    this.#links ??= this.#options.links ? canLink(this.#paths.parts) : Promise.resolve(false);
    return this.#links;
  }

  /** Protects finished blobs from `hf cache prune`, which removes blobs without a ref. */
  #mark(): Promise<void> {
    const { id: commit } = this.#options.revision;
    this.#marked ??= writeRef(this.#paths, unfinishedRef(commit), commit);
    return this.#marked;
  }
}

/** Key of a content in our hash records: its path in the repository's directory, with `/`. */
function contentName(paths: CachePaths, path: string): string {
  return relative(paths.repo, path).split(sep).join('/');
}
