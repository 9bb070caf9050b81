import { lstatSync, readdirSync, statSync } from 'node:fs';
import { chmod, open, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContentDigests } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { despiteOthers, isMissing } from '../../system/disk/collision.ts';
import { CreatedDirectories } from '../../system/disk/created-directories.ts';
import { onDisk, onDiskSync } from '../../system/disk/disk-error.ts';
import { Flush } from '../../system/disk/flush.ts';
import { existingAncestor, freeBytes } from '../../system/disk/free-bytes.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { DirectoryLock } from '../directory-lock.ts';
import { inSlices } from '../in-slices.ts';
import { type OllamaName, ollamaNameProblem, shortName } from '../ollama-name.ts';
import { PartsDirectory } from '../parts/parts-directory.ts';
import { StagedPart } from '../parts/staged-part.ts';
import { FinalPlace } from '../paths/final-place.ts';
import { lookOnceMore } from '../paths/last-look.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { refuseNames } from '../paths/refuse-names.ts';
import { checkNames, type NameProblem, nameProblem } from '../paths/safe-path.ts';
import { HashRecords } from '../records/hash-records.ts';
import { stampedFile } from '../records/stamp.ts';
import type { Publication, StagedFile, Store, Survey } from '../store.ts';
import { BlobHoldings, blobHex, findBlob } from './blob-holdings.ts';
import { readInstalled } from './installed-manifest.ts';
import { blobName, OllamaPaths } from './ollama-paths.ts';

export interface OllamaStoreOptions {
  /** Absolute path of the store. Need not exist. */
  readonly models: string;
  readonly name: OllamaName;
  readonly revision: Revision;
  /** The manifest of the model, as the registry sent it. It is not one of the files: the store writes it last. */
  readonly manifest: Uint8Array;
  readonly platform: 'posix' | 'win32';
  readonly lock: ProcessContext;
  /** Makes content and names durable; the system's calls if left out. */
  readonly flush?: Flush;
  /** Called with a message for the user, such as a wait for another run. */
  readonly note?: ((message: string) => void) | undefined;
}

/** As Ollama creates them, minus the umask. */
const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/**
 * The store of Ollama: blobs named by their sha256, and one manifest per model. Each file of the run is a blob.
 * Verified blobs wait in a directory of our own until all blobs of the model are there, because Ollama removes blobs
 * without a manifest whenever it starts. `publish` moves them and writes the manifest.
 */
export class OllamaStore implements Store {
  readonly directory: string;
  readonly #options: OllamaStoreOptions;
  readonly #paths: OllamaPaths;
  readonly #parts: PartsDirectory;
  readonly #place: FinalPlace;
  readonly #records: HashRecords;
  readonly #flush: Flush;
  readonly #made = new CreatedDirectories();
  /** Hashes of verified blobs, by their hex digits. */
  readonly #known = new Map<string, ContentDigests>();
  /** Stamps of candidate blobs before they were read, by their hex digits. */
  #candidates: ReadonlyMap<string, string> = new Map();
  #signal: AbortSignal | undefined;
  #lock: DirectoryLock | undefined;

  constructor(options: OllamaStoreOptions) {
    const { models, name, revision, lock } = options;
    this.directory = models;
    this.#options = options;
    this.#paths = new OllamaPaths(models, name);
    this.#parts = new PartsDirectory(this.#paths.parts, revision, lock);
    this.#place = new FinalPlace(models);
    this.#records = new HashRecords(this.#paths.state, this.#paths.id);
    this.#flush = options.flush ?? new Flush();
  }

  async refuseNames(files: readonly RemoteFile[], signal?: AbortSignal): Promise<void> {
    const { name, platform } = this.#options;
    const problem = ollamaNameProblem(name, platform);
    if (problem !== undefined) {
      throw new FetchError('DISK', `Ollama has no model of the name ${shortName(name)}: ${problem}`, {
        hint: 'Nothing was written. Leave --ollama out to put the files into a directory.',
      });
    }
    // Names of layers do not become paths here. A name that a model directory would refuse is refused all the same:
    // it is an attack.
    const paths = files.map(({ path }) => path);
    this.#refuse(checkNames(paths, 'posix', { caseInsensitive: false }));
    const unnamed = files.filter((file) => blobHex(file) === undefined);
    this.#refuse(unnamed.map(({ path }) => ({ path, reason: 'it has no sha256, which names its blob' })));
    onDiskSync(this.directory, () => this.#refuseConflicts());
    const look = (slice: readonly RemoteFile[]): void => {
      const blobs = slice.map((file) => blobName(blobHex(file) ?? ''));
      this.#refuse(onDiskSync(this.directory, () => findPathConflicts(this.directory, blobs, [])));
    };
    await inSlices(files, look, signal);
  }

  #refuseConflicts(): void {
    const { directories, manifestName, blobs, models } = this.#paths;
    this.#refuse(findPathConflicts(models, [manifestName], directories));
    // A blob gets its name by a rename, which does not work across file systems.
    const isApart = deviceOf(blobs) !== deviceOf(this.#paths.own);
    this.#refuse(isApart ? [{ path: 'blobs', reason: 'it is on another file system than .fetch' }] : []);
  }

  #refuse(problems: readonly NameProblem[]): void {
    refuseNames(this.directory, problems, 'Use another store with OLLAMA_MODELS, or leave --ollama out.');
  }

  async open(signal?: AbortSignal): Promise<void> {
    this.#signal = signal;
    const { note, lock } = this.#options;
    const { own, blobs, models } = this.#paths;
    const options = { elsewhere: 'OLLAMA_MODELS', signal, note } as const;
    const take = async () => {
      await onDisk(models, () => this.#made.make(own, DIRECTORY_MODE));
      return await DirectoryLock.take(this.#paths.lock, lock, options);
    };
    // Another run may remove its empty directories while this one needs them.
    this.#lock = await despiteOthers(take, () => lstatSync(own, { throwIfNoEntry: false }) === undefined);
    await onDisk(models, async () => {
      for (const directory of [this.#paths.parts, this.#paths.waiting])
        await ensureDirectory(directory, DIRECTORY_MODE);
      await this.#made.make(blobs, DIRECTORY_MODE);
    });
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    const found = new BlobHoldings(this.#paths, this.#parts, this.#records);
    const holdings = new Map<string, Holding>();
    const look = (slice: readonly RemoteFile[]): void => {
      for (const file of slice) holdings.set(file.path, found.of(file));
    };
    await inSlices(files, look, signal);
    for (const [hex, known] of found.recognised) this.#known.set(hex, known);
    this.#candidates = found.candidates;
    return { holdings, freeBytes: await freeBytes(this.directory).catch(() => undefined) };
  }

  /** Whether the store has this manifest already, byte for byte. */
  get hasManifest(): boolean {
    return readInstalled(this.#paths)?.equals(this.#options.manifest) === true;
  }

  finalPath(file: RemoteFile): string {
    const hex = this.#hexOf(file);
    const waiting = this.#paths.waitingBlob(hex);
    const isWaiting = lstatSync(waiting, { throwIfNoEntry: false })?.isFile() === true;
    return isWaiting ? waiting : this.#paths.blob(hex);
  }

  candidatePath(file: RemoteFile): string {
    const hex = this.#hexOf(file);
    const found = findBlob(this.#paths, hex, file.size);
    return typeof found === 'object' ? found.path : this.#paths.blob(hex);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const hex = this.#hexOf(file);
    const waiting = this.#paths.waitingBlob(hex);
    const { clock } = this.#options.lock;
    return await onDisk(file.path, async () => {
      const { identity, ...parts } = await this.#parts.take(file, this.#signal);
      return new StagedPart({ ...parts, final: () => waiting }, identity, {
        boot: this.#parts.boot,
        monotonic: () => clock.monotonic(),
        flush: this.#flush,
        place: this.#place,
        onCommit: async (digests, stamp) => {
          const isNarrowed = await limitMode(waiting);
          this.#know(hex, digests, isNarrowed ? stampAfter(waiting, stamp) : stamp);
        },
      });
    });
  }

  async adopt(file: RemoteFile, digests: ContentDigests): Promise<void> {
    const hex = this.#hexOf(file);
    const before = this.#candidates.get(hex);
    const stamp = stampedFile(this.candidatePath(file))?.stamp;
    // If the file has changed since the survey, do not record the hash.
    this.#know(hex, digests, stamp === before ? stamp : undefined);
  }

  async publish({ files, listing, complete }: Publication): Promise<void> {
    const blobs = new Map(files.map((file) => [this.#hexOf(file), file]));
    for (const [hex, { path }] of blobs) {
      if (!this.#known.has(hex)) throw new FetchError('BUG', `nothing is known of ${path}`);
    }
    // Leave the blobs in the waiting directory: Ollama would remove blobs without a manifest.
    if (!complete) return this.#records.save();
    await onDisk(this.directory, async () => {
      this.#refuseConflicts();
      for (const hex of blobs.keys()) await this.#moveIntoPlace(hex);
      await this.#place.makeDurable(this.#flush);
      const entries = [...blobs].map(([hex, { size }]) => ({ path: hex, size, sha256: hex }));
      await lookOnceMore(entries, (hex) => this.#paths.blob(hex), this.#signal);
      if (!this.hasManifest) await this.#writeManifest();
      await this.#records.tidy(this.#flush);
      await this.#parts.removeOld(files, listing.files);
      // Waiting blobs of an older manifest, from a tag that has moved.
      for (const name of readdirSync(this.#paths.waiting))
        await removeIfThere(join(this.#paths.waiting, name));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#records.save();
    if (this.#lock === undefined) return;
    const { waiting, parts, own } = this.#paths;
    // Each only if it is empty, and while the lock is held: another run would need them at once.
    for (const directory of [waiting, parts]) await rmdir(directory).catch(() => {});
    await this.#lock[Symbol.asyncDispose]();
    this.#lock = undefined;
    await this.#made.removeEmpty();
    await rmdir(own).catch(() => {});
  }

  /** A rename changes the ctime of a file, so its record is written anew. */
  async #moveIntoPlace(hex: string): Promise<void> {
    const [from, to] = [this.#paths.waitingBlob(hex), this.#paths.blob(hex)];
    if (lstatSync(from, { throwIfNoEntry: false }) === undefined) return;
    const before = stampedFile(from)?.stamp;
    await this.#place.move(from, to);
    const digests = this.#known.get(hex);
    if (digests !== undefined) this.#know(hex, digests, stampAfter(to, before));
  }

  async #writeManifest(): Promise<void> {
    const { manifest, own } = this.#paths;
    const temporary = join(own, 'manifest.new');
    const write = async () => {
      await removeIfThere(temporary);
      try {
        const file = await open(temporary, 'wx', FILE_MODE);
        try {
          await file.writeFile(this.#options.manifest);
          await this.#flush.file(file.fd);
        } finally {
          await file.close();
        }
        await ensureDirectory(dirname(manifest), DIRECTORY_MODE);
        await this.#place.move(temporary, manifest);
      } catch (error) {
        await removeIfThere(temporary).catch(() => {});
        throw error;
      }
    };
    // Ollama removes directories of manifests that are empty.
    await despiteOthers(write, isMissing);
    await this.#place.makeDurable(this.#flush);
  }

  /** `stamp`: the stamp of the blob after it was hashed, if it is still the same file. */
  #know(hex: string, digests: ContentDigests, stamp: string | undefined): void {
    this.#known.set(hex, digests);
    if (stamp !== undefined) this.#records.add(blobName(hex), stamp, digests);
  }

  #hexOf(file: RemoteFile): string {
    const hex = blobHex(file);
    const reason =
      nameProblem(file.path, 'posix') ?? (hex === undefined ? 'it has no sha256, which names its blob' : '');
    if (hex !== undefined && reason === '') return hex;
    throw new FetchError(
      'DISK',
      `The file ${JSON.stringify(file.path)} cannot be a blob of Ollama: ${reason}.`,
      {
        hint: 'Leave --ollama out to put the files into a directory.',
      },
    );
  }
}

/** Device of the directory, or of its nearest existing ancestor. */
function deviceOf(path: string): number {
  return statSync(existingAncestor(path)).dev;
}

/** Removes write access of group and others, which Ollama does not grant either. Returns whether there was any. */
async function limitMode(path: string): Promise<boolean> {
  const mode = lstatSync(path).mode & 0o777;
  if ((mode & ~FILE_MODE) === 0) return false;
  await chmod(path, mode & FILE_MODE);
  return true;
}

/** The stamp after a rename or a change of mode; undefined unless everything but the ctime is as before. */
function stampAfter(path: string, before: string | undefined): string | undefined {
  const now = stampedFile(path)?.stamp;
  if (before === undefined || now === undefined) return undefined;
  return withoutCtime(before) === withoutCtime(now) ? now : undefined;
}

function withoutCtime(stamp: string): string {
  const [size, mtime, , inode] = stamp.split('-');
  return [size, mtime, inode].join('-');
}
