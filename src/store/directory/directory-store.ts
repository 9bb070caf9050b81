import { statfs } from 'node:fs/promises';
import { FetchError } from '../../model/error.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { onDisk, onDiskSync } from '../../system/disk-error.ts';
import { remainingContents } from '../contents.ts';
import { findDistantFiles } from '../distant-files.ts';
import { DirectoryLock, type LockContext } from '../lock.ts';
import { type ManifestFile, readManifest, writeManifest } from '../manifest.ts';
import { existingAncestor, findObstacles, ignoresCase } from '../obstacles.ts';
import { PartsFolder } from '../parts-folder.ts';
import { refuseNames } from '../refuse-names.ts';
import { regularFile } from '../regular-file.ts';
import { checkNames, localPath, type NameProblem } from '../safe-path.ts';
import { StagedPart } from '../staged-part.ts';
import type { ContentDigests, StagedFile, Store, Survey } from '../store.ts';
import { Holdings, type KnownFile } from './holdings.ts';
import { writeHubMetadata } from './hub-metadata.ts';
import {
  HUB_FOLDER,
  HUB_METADATA_FOLDER,
  inside,
  MANIFEST_FILE,
  PARTS_FOLDER,
  STATE_FOLDER,
} from './layout.ts';
import { StateFolder } from './state-folder.ts';

export interface DirectoryStoreOptions {
  /** Absolute. Need not exist. */
  readonly directory: string;
  readonly revision: Revision;
  readonly endpoint: string;
  readonly platform: 'posix' | 'win32';
  /** What to believe of the case of names where the file system does not tell. */
  readonly ignoresCase: boolean;
  readonly lock: LockContext;
  /**
   * A name for one of several runs that share the work on this directory: each then has a lock of its own, and only
   * the end of the run, when records of all are written, is for one at a time. Undefined for a run that is alone.
   */
  readonly share?: string | undefined;
}

/** A directory of one's own, laid out as cli.md section 6 says: the files, and our state under `.cache`. */
export class DirectoryStore implements Store {
  readonly directory: string;
  readonly #options: DirectoryStoreOptions;
  readonly #parts: PartsFolder;
  /** What is known of files that are right, by path. */
  readonly #known = new Map<string, KnownFile>();
  #surveyedMs: number;
  #state: StateFolder | undefined;
  #lock: DirectoryLock | undefined;
  /** The lock of a run that is alone, while one of several writes what all of them read. */
  #turn: DirectoryLock | undefined;

  constructor(options: DirectoryStoreOptions) {
    this.directory = options.directory;
    this.#options = options;
    this.#parts = new PartsFolder(inside(options.directory, PARTS_FOLDER), options.revision, options.lock);
    this.#surveyedMs = options.lock.clock.now();
  }

  get #manifestPath(): string {
    return inside(this.directory, MANIFEST_FILE);
  }

  async refuseNames(files: readonly RemoteFile[]): Promise<void> {
    const problems = onDiskSync(this.directory, () => this.#problems(files.map((file) => file.path)));
    refuseNames(this.directory, problems, 'Leave them out with --exclude, or use another --local-dir.');
  }

  #problems(paths: readonly string[]): readonly NameProblem[] {
    const caseInsensitive = ignoresCase(this.directory, this.#options.ignoresCase);
    const refused = checkNames(paths, this.#options.platform, { caseInsensitive });
    if (refused.length > 0) return refused;
    const folders = [STATE_FOLDER, PARTS_FOLDER, HUB_FOLDER, HUB_METADATA_FOLDER];
    const obstacles = findObstacles(this.directory, paths, folders);
    return obstacles.length > 0 ? obstacles : findDistantFiles(this.directory, paths, PARTS_FOLDER);
  }

  async open(): Promise<void> {
    this.#state = await onDisk(this.directory, () => StateFolder.make(this.directory));
    const { share, lock } = this.#options;
    const name = share === undefined ? 'lock' : `lock-${share}`;
    this.#lock = await DirectoryLock.take(inside(this.directory, `${STATE_FOLDER}/${name}`), lock);
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    this.#surveyedMs = this.#options.lock.clock.now();
    const { directory } = this;
    const manifest = readManifest(this.#manifestPath);
    const manifestMs = regularFile(this.#manifestPath)?.mtimeMs ?? 0;
    const { commit } = this.#options.revision;
    const found = new Holdings({ directory, commit, parts: this.#parts, manifest, manifestMs });
    const holdings = new Map<string, Holding>();
    for (const file of files) {
      signal.throwIfAborted();
      holdings.set(file.path, found.of(file));
    }
    for (const [path, known] of found.recognised) this.#known.set(path, known);
    return { holdings, freeBytes: await this.#freeBytes() };
  }

  finalPath(file: RemoteFile): string {
    return localPath(this.directory, file.path);
  }

  candidatePath(file: RemoteFile): string {
    return this.finalPath(file);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const { clock } = this.#options.lock;
    return await onDisk(file.path, () => {
      const { identity, ...parts } = this.#parts.take(file);
      const final = this.finalPath(file);
      return new StagedPart({ ...parts, final: () => final }, identity, {
        boot: this.#parts.boot,
        monotonic: () => clock.monotonic(),
        onCommit: (digests) => this.#record(file, digests, clock.now()),
      });
    });
  }

  async adopt(file: RemoteFile, digests: ContentDigests): Promise<void> {
    // It was right when it was read: what is changed since the survey must not be vouched for.
    await this.#record(file, digests, this.#surveyedMs);
  }

  async publish(
    revision: Revision,
    selected: readonly RemoteFile[],
    listing: readonly RemoteFile[],
  ): Promise<void> {
    const { share, lock } = this.#options;
    if (share !== undefined) {
      this.#turn ??= await DirectoryLock.wait(inside(this.directory, `${STATE_FOLDER}/lock`), lock);
    }
    const files = this.#contents(revision, selected, listing);
    await onDisk(this.directory, async () => {
      await this.#renewRecords(revision, selected);
      await this.#state?.markHubFolder();
      const { type, id } = revision.repo;
      await writeManifest(this.#manifestPath, {
        version: 1,
        endpoint: this.#options.endpoint,
        repo: { type, id },
        revision: revision.name,
        commit: revision.commit,
        files,
      });
      await this.#parts.removeOld(selected, listing);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn?.[Symbol.asyncDispose]();
    this.#turn = undefined;
    await this.#lock?.[Symbol.asyncDispose]();
    this.#lock = undefined;
    await this.#state?.removeIfUnused();
    this.#state = undefined;
  }

  async #freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(existingAncestor(this.directory));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  /** `recordedMs` is a time at which the file was certainly right. */
  async #record(file: RemoteFile, { sha256 }: ContentDigests, recordedMs: number): Promise<void> {
    const { path, digest } = file;
    this.#known.set(path, { sha256, metadata: undefined });
    if (digest === undefined) return;
    const { commit } = this.#options.revision;
    await onDisk(this.finalPath(file), () => {
      return writeHubMetadata(this.directory, path, { commit, etag: digest.hex, recordedMs });
    });
  }

  /** Kept files still bear the record of the commit that they came with. It gets no younger by this. */
  async #renewRecords({ commit }: Revision, selected: readonly RemoteFile[]): Promise<void> {
    for (const { path } of selected) {
      const metadata = this.#known.get(path)?.metadata;
      if (metadata !== undefined && metadata.commit !== commit) {
        await writeHubMetadata(this.directory, path, { ...metadata, commit });
      }
    }
  }

  /** The selected files, and what remains of earlier runs: another may have ended since we were made. */
  #contents(
    revision: Revision,
    selected: readonly RemoteFile[],
    listing: readonly RemoteFile[],
  ): ManifestFile[] {
    const earlier = readManifest(this.#manifestPath);
    const remaining = remainingContents(this.directory, earlier, revision, listing);
    const files = new Map(remaining.map((entry) => [entry.path, entry]));
    for (const { path, size, digest } of selected) {
      const sha256 = this.#known.get(path)?.sha256;
      if (sha256 === undefined) throw new FetchError('BUG', `nothing is known of ${path}`);
      files.set(path, { path, size, sha256, oid: digest?.hex ?? sha256 });
    }
    return [...files.values()];
  }
}
