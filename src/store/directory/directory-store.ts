import type { ContentDigests } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { onDisk, onDiskSync } from '../../system/disk/disk-error.ts';
import { Flush } from '../../system/disk/flush.ts';
import { freeBytes } from '../../system/disk/free-bytes.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { DirectoryLock } from '../directory-lock.ts';
import { inSlices } from '../in-slices.ts';
import { type Companion, writeCompanion } from '../parts/name-part.ts';
import { PartNamer } from '../parts/part-namer.ts';
import { PartsDirectory } from '../parts/parts-directory.ts';
import { StagedPart } from '../parts/staged-part.ts';
import { FinalPlace } from '../paths/final-place.ts';
import { lookOnceMore } from '../paths/last-look.ts';
import { probeFolding } from '../paths/name-folding.ts';
import { findCrossDeviceFiles, findPathConflicts, ignoresCase } from '../paths/path-conflicts.ts';
import { refuseNames } from '../paths/refuse-names.ts';
import { checkNames, localPath, mayFallTogether, type NameProblem } from '../paths/safe-path.ts';
import { currentEntries, hashedEntries } from '../records/contents.ts';
import { HashRecords } from '../records/hash-records.ts';
import { type Manifest, writeManifest } from '../records/manifest.ts';
import { stampedFile } from '../records/stamp.ts';
import type { Publication, StagedFile, Store, Survey } from '../store.ts';
import { DirectoryRecords } from './directory-records.ts';
import { Holdings } from './holdings.ts';
import { hubMetadataFile, readHubMetadata } from './hub-metadata.ts';
import { HUB_DIRECTORY, HUB_METADATA_DIRECTORY, inside, PARTS_DIRECTORY, STATE_DIRECTORY } from './layout.ts';
import { writeListingRecord } from './listing-record.ts';
import { StateDirectory } from './state-directory.ts';

export interface DirectoryStoreOptions {
  /** Absolute. Need not exist. */
  readonly directory: string;
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
  /**
   * Name of this run among several that share the work on the directory. Each has a lock of its own; only writing the
   * shared records at the end is for one at a time. Undefined for a single run.
   */
  readonly share?: string | undefined;
}

const OWN_DIRECTORIES = [STATE_DIRECTORY, PARTS_DIRECTORY, HUB_DIRECTORY, HUB_METADATA_DIRECTORY];

/** A model directory, laid out as cli.md section 6 says: the files, and our state under `.cache`. */
export class DirectoryStore implements Store {
  readonly directory: string;
  readonly #options: DirectoryStoreOptions;
  readonly #recorded: DirectoryRecords;
  readonly #parts: PartsDirectory;
  readonly #place: FinalPlace;
  readonly #flush: Flush;
  readonly #namer: PartNamer;
  readonly #records: HashRecords;
  /** Hashes of verified files, by path. */
  readonly #known = new Map<string, ContentDigests>();
  /** Files that were right before this run. Their records for `hf` may name an older commit. */
  readonly #kept = new Set<string>();
  /** Stamps that the candidates had at the survey, by path. */
  #candidates: ReadonlyMap<string, string> = new Map();
  /** Paths of the files that the run will write. */
  #names: readonly string[] = [];
  #signal: AbortSignal | undefined;
  #surveyedMs: number;
  #state: StateDirectory | undefined;
  #lock: DirectoryLock | undefined;
  /** The lock of the whole directory, while one of several runs writes the shared records. */
  #turn: DirectoryLock | undefined;

  constructor(options: DirectoryStoreOptions) {
    this.directory = options.directory;
    this.#options = options;
    this.#parts = new PartsDirectory(
      inside(options.directory, PARTS_DIRECTORY),
      options.revision,
      options.lock,
      options.platform,
    );
    this.#recorded = new DirectoryRecords(options.directory);
    this.#place = new FinalPlace(options.directory);
    this.#flush = options.flush ?? new Flush();
    const { directory: root, partsBeforeWorker } = options;
    this.#namer = new PartNamer({ root, place: this.#place, flush: this.#flush, partsBeforeWorker });
    this.#records = new HashRecords(inside(options.directory, STATE_DIRECTORY), options.share);
    this.#surveyedMs = options.lock.clock.now();
  }

  async refuseNames(files: readonly RemoteFile[], signal?: AbortSignal): Promise<void> {
    this.#names = files.map((file) => file.path);
    const caseInsensitive = onDiskSync(this.directory, () =>
      ignoresCase(this.directory, this.#options.ignoresCase),
    );
    this.#refuse(checkNames(this.#names, this.#options.platform, { caseInsensitive }));
    const { directory } = this;
    await this.#refuseWhere((paths) => findPathConflicts(directory, paths, OWN_DIRECTORIES), signal);
    await this.#refuseWhere((paths) => findCrossDeviceFiles(directory, paths, PARTS_DIRECTORY), signal);
  }

  async #refuseWhere(
    find: (paths: readonly string[]) => readonly NameProblem[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const problems = new Map<string, NameProblem>();
    const look = (paths: readonly string[]): void => {
      for (const problem of onDiskSync(this.directory, () => find(paths)))
        problems.set(problem.path, problem);
    };
    await inSlices(this.#names, look, signal);
    this.#refuse([...problems.values()]);
  }

  #refuse(problems: readonly NameProblem[]): void {
    refuseNames(this.directory, problems, 'Leave them out with --exclude, or use another --local-dir.');
  }

  async open(signal?: AbortSignal): Promise<void> {
    this.#signal = signal;
    const state = inside(this.directory, STATE_DIRECTORY);
    this.#state = await onDisk(this.directory, () => StateDirectory.make(this.directory));
    const { share, lock, note, platform } = this.#options;
    const name = share === undefined ? 'lock' : `lock-${share}`;
    this.#lock = await DirectoryLock.take(inside(state, name), lock, { signal, note });
    if (!mayFallTogether(this.#names)) return;
    const found = onDiskSync(state, () => probeFolding(state));
    const folding = { caseInsensitive: found.case, normalises: found.unicode };
    this.#refuse(checkNames(this.#names, platform, folding));
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    this.#surveyedMs = this.#options.lock.clock.now();
    const { directory } = this;
    const manifest = this.#recorded.current();
    const { id: commit } = this.#options.revision;
    const options = { directory, commit, parts: this.#parts, manifest, records: this.#records };
    const found = new Holdings(options);
    const holdings = new Map<string, Holding>();
    const look = (slice: readonly RemoteFile[]): void => {
      for (const file of slice) holdings.set(file.path, found.of(file));
    };
    await inSlices(files, look, signal);
    for (const [path, known] of found.recognised) {
      this.#known.set(path, known);
      this.#kept.add(path);
    }
    this.#candidates = found.candidates;
    return { holdings, freeBytes: await freeBytes(this.directory).catch(() => undefined) };
  }

  finalPath(file: RemoteFile): string {
    return localPath(this.directory, file.path);
  }

  candidatePath(file: RemoteFile): string {
    return this.finalPath(file);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const { clock } = this.#options.lock;
    return await onDisk(file.path, async () => {
      const final = this.finalPath(file);
      const { identity, ...parts } = await this.#parts.take(file, this.#signal);
      return new StagedPart({ ...parts, final: () => final }, identity, {
        boot: this.#parts.boot,
        monotonic: () => clock.monotonic(),
        flush: this.#flush,
        place: this.#place,
        namer: this.#namer,
        companion: () => this.#hubRecord(file, clock.now()),
        onCommit: async (digests, stamp) => this.#know(file.path, digests, stamp),
      });
    });
  }

  async adopt(file: RemoteFile, digests: ContentDigests): Promise<void> {
    // The file was right when it was hashed. If it has changed since the survey, do not record the hash.
    const before = this.#candidates.get(file.path);
    const found = stampedFile(this.finalPath(file));
    const { path, digest } = file;
    this.#know(path, digests, found?.stamp === before ? before : undefined);
    // The record of `hf` still holds.
    const told = readHubMetadata(this.directory, path);
    const stands = told?.etag === digest?.hex && told?.commit === this.#options.revision.id;
    if (stands && told.recordedMs >= (found?.modifiedMs ?? Number.POSITIVE_INFINITY)) return;
    const record = this.#hubRecord(file, this.#surveyedMs);
    if (record !== undefined) await onDisk(this.finalPath(file), () => writeCompanion(record));
  }

  async publish({ revision, files: selected, listing }: Publication): Promise<void> {
    const { share, lock, note } = this.#options;
    const [signal, flush] = [this.#signal, this.#flush];
    if (share !== undefined) {
      const path = inside(this.directory, `${STATE_DIRECTORY}/lock`);
      this.#turn ??= await DirectoryLock.wait(path, lock, { signal, note });
    }
    const earlier = this.#recorded.current();
    const brought = hashedEntries(selected, (path) => this.#known.get(path)?.sha256);
    const { directory } = this;
    const change = { directory, earlier, revision, listing: listing.files, brought };
    const files = await currentEntries(change, signal);
    const left = this.#recorded.staleFiles(revision.repo, listing.files);
    await onDisk(this.directory, async () => {
      // Our own directories may have been replaced by links.
      this.#refuse(findPathConflicts(this.directory, [], OWN_DIRECTORIES));
      await lookOnceMore(files, (path) => localPath(this.directory, path), signal);
      await this.#renewRecords(earlier, revision, selected);
      await this.#state?.markHubDirectory();
      await this.#place.makeDurable(flush);
      const { endpoint } = this.#options;
      await writeManifest(this.#recorded.manifestPath, { revision, endpoint, files }, flush);
      // For offline runs, and for a later `--prune`.
      if (listing.complete) {
        const record = { commit: revision.id, files: listing.files, left };
        await writeListingRecord(this.directory, record, flush);
      }
      await this.#records.tidy(flush);
      await flush.directory(inside(this.directory, STATE_DIRECTORY));
      await this.#parts.removeOld(selected, listing.files);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#records.save();
    await this.#namer[Symbol.asyncDispose]();
    await this.#turn?.[Symbol.asyncDispose]();
    this.#turn = undefined;
    await this.#lock?.[Symbol.asyncDispose]();
    this.#lock = undefined;
    await this.#state?.removeIfUnused();
    this.#state = undefined;
  }

  /** `stamp` is the stamp of the file when it was hashed; undefined if unknown. */
  #know(path: string, digests: ContentDigests, stamp: string | undefined): void {
    this.#known.set(path, digests);
    this.#kept.delete(path);
    if (stamp !== undefined) this.#records.add(path, stamp, digests);
  }

  /** `recordedMs` is a time at which the file was known to be right. */
  #hubRecord({ path, digest }: RemoteFile, recordedMs: number): Companion | undefined {
    const { repo, id: commit } = this.#options.revision;
    // The Hub's own clients know nothing of other sources.
    if (digest === undefined || (repo.source !== undefined && repo.source !== 'hub')) return undefined;
    return hubMetadataFile(this.directory, path, { commit, etag: digest.hex, recordedMs });
  }

  /** Kept files have the record of an older commit: updates the commit, and keeps the time. */
  async #renewRecords(
    earlier: Manifest | undefined,
    { id: commit }: Revision,
    selected: readonly RemoteFile[],
  ): Promise<void> {
    if (earlier?.commit === commit) return;
    for (const { path, digest } of selected) {
      if (!this.#kept.has(path)) continue;
      const metadata = readHubMetadata(this.directory, path);
      if (metadata === undefined || metadata.etag !== digest?.hex || metadata.commit === commit) continue;
      await writeCompanion(hubMetadataFile(this.directory, path, { ...metadata, commit }));
    }
  }
}
