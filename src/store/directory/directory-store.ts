import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { mkdir, readdir, rmdir, statfs, writeFile } from 'node:fs/promises';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { repoPath } from '../../model/repo.ts';
import { diskError, onDisk } from '../../system/disk-error.ts';
import { checkNames, localPath } from '../safe-path.ts';
import type { ContentDigests, StagedFile, Store, Survey } from '../store.ts';
import { type HubMetadata, readHubMetadata, vouchesFor, writeHubMetadata } from './hub-metadata.ts';
import { HUB_FOLDER, HUB_METADATA_FOLDER, inside, PARTS_FOLDER, STATE_FOLDER } from './layout.ts';
import { DirectoryLock, type LockContext } from './lock.ts';
import { type Manifest, type ManifestFile, readManifest, writeManifest } from './manifest.ts';
import { existingAncestor, findObstacles, ignoresCase } from './obstacles.ts';
import { type PartIdentity, PartJournal } from './part-journal.ts';
import { removeIfThere, StagedPart } from './staged-part.ts';

export interface DirectoryStoreOptions {
  /** Absolute. Need not exist. */
  readonly directory: string;
  readonly revision: Revision;
  readonly endpoint: string;
  readonly platform: 'posix' | 'win32';
  /** What to believe of the case of names where the file system does not tell. */
  readonly ignoresCase: boolean;
  readonly lock: LockContext;
}

/** A directory of one's own, laid out as cli.md section 6 says: the files, and our state under `.cache`. */
export class DirectoryStore implements Store {
  readonly directory: string;
  readonly #options: DirectoryStoreOptions;
  readonly #manifest: Manifest | undefined;
  /** What is known of files that are right, by path. */
  readonly #known = new Map<string, { sha256: string; metadata: HubMetadata | undefined }>();
  #lock: DirectoryLock | undefined;
  #firstMade: string | undefined;

  constructor(options: DirectoryStoreOptions) {
    this.directory = options.directory;
    this.#options = options;
    this.#manifest = readManifest(this.#manifestPath);
  }

  get #manifestPath(): string {
    return inside(this.directory, `${STATE_FOLDER}/manifest.json`);
  }

  async refuseNames(files: readonly RemoteFile[]): Promise<void> {
    const paths = files.map((file) => file.path);
    const { platform } = this.#options;
    const caseInsensitive = ignoresCase(this.directory, this.#options.ignoresCase);
    const refused: { path: string; reason: string }[] = [...checkNames(paths, platform, { caseInsensitive })];
    if (refused.length === 0) {
      const state = [STATE_FOLDER, PARTS_FOLDER, HUB_FOLDER, HUB_METADATA_FOLDER];
      refused.push(...findObstacles(this.directory, paths, state));
    }
    if (refused.length === 0) return;
    const shown = refused.slice(0, 10).map(({ path, reason }) => `"${path}" (${reason})`);
    const more = refused.length > shown.length ? `, and ${refused.length - shown.length} more` : '';
    throw new FetchError(
      'DISK',
      `${refused.length === 1 ? 'a name' : `${refused.length} names`} cannot be written to ${this.directory}: ${shown.join(', ')}${more}`,
      { hint: 'Nothing was written. Leave them out with --exclude, or use another --local-dir.' },
    );
  }

  async open(): Promise<void> {
    await onDisk(this.directory, async () => {
      this.#firstMade = await mkdir(this.directory, { recursive: true });
      await mkdir(inside(this.directory, PARTS_FOLDER), { recursive: true });
      await writeOnce(inside(this.directory, `${STATE_FOLDER}/.gitignore`), '*\n');
    });
    this.#lock = await DirectoryLock.take(inside(this.directory, `${STATE_FOLDER}/lock`), this.#options.lock);
  }

  async survey(files: readonly RemoteFile[], signal: AbortSignal): Promise<Survey> {
    const parts = new Set(listNames(inside(this.directory, PARTS_FOLDER)));
    const manifestFiles = new Map(this.#manifest?.files.map((file) => [file.path, file]));
    const holdings = new Map<string, Holding>();
    try {
      for (const file of files) {
        signal.throwIfAborted();
        holdings.set(file.path, this.#holding(file, parts, manifestFiles.get(file.path)));
      }
    } catch (error) {
      throw diskError(error, this.directory);
    }
    return { holdings, freeBytes: await this.#freeBytes() };
  }

  finalPath(file: RemoteFile): string {
    return localPath(this.directory, file.path);
  }

  async stage(file: RemoteFile): Promise<StagedFile> {
    const identity = this.#identity(file);
    const paths = { ...this.#partPaths(identity), final: this.finalPath(file) };
    return await onDisk(paths.part, () => {
      return new StagedPart(paths, identity, (digests) => this.adopt(file, digests));
    });
  }

  async adopt(file: RemoteFile, digests: ContentDigests): Promise<void> {
    this.#known.set(file.path, { sha256: digests.sha256, metadata: undefined });
    await onDisk(this.directory, () => this.#recordForHub(file));
  }

  async publish(
    revision: Revision,
    selected: readonly RemoteFile[],
    listing: readonly RemoteFile[],
  ): Promise<void> {
    await onDisk(this.directory, async () => {
      for (const file of selected) {
        // Kept files still bear the record of the commit that they came with.
        const metadata = this.#known.get(file.path)?.metadata;
        if (metadata !== undefined && metadata.commit !== revision.commit) await this.#recordForHub(file);
      }
      await writeOnce(inside(this.directory, `${HUB_FOLDER}/.gitignore`), '*');
      await writeOnce(inside(this.directory, `${HUB_FOLDER}/CACHEDIR.TAG`), CACHE_TAG);
      await writeManifest(this.#manifestPath, this.#describe(revision, selected, listing));
      await this.#removeOldParts(selected, listing);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lock === undefined) return;
    await this.#lock[Symbol.asyncDispose]();
    this.#lock = undefined;
    // Of a run that brought nothing, nothing stays.
    if (this.#firstMade !== undefined) await removeIfEmpty(this.directory);
  }

  #holding(file: RemoteFile, parts: ReadonlySet<string>, entry: ManifestFile | undefined): Holding {
    const found = statSync(this.finalPath(file), { throwIfNoEntry: false });
    if (found === undefined || !found.isFile()) {
      const part = this.#heldOfPart(file, parts);
      return part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' };
    }
    const { digest } = file;
    if (found.size === file.size) {
      if (digest === undefined) {
        // Without a hash, only our own record of the same commit tells one content from another.
        const same = entry?.size === file.size && this.#manifest?.commit === this.#options.revision.commit;
        if (same) return { kind: 'candidate', part: [] };
      } else {
        const metadata = readHubMetadata(this.directory, file.path);
        const sha256 =
          digest.algorithm === 'sha256' ? digest.hex : entry?.oid === digest.hex ? entry.sha256 : undefined;
        if (sha256 !== undefined && vouchesFor(metadata, digest.hex, found.mtimeMs)) {
          this.#known.set(file.path, { sha256, metadata });
          return { kind: 'whole' };
        }
        return { kind: 'candidate', part: this.#heldOfPart(file, parts) };
      }
    }
    return { kind: 'different', part: this.#heldOfPart(file, parts) };
  }

  #heldOfPart(file: RemoteFile, parts: ReadonlySet<string>): readonly ByteRange[] {
    if (parts.size === 0) return [];
    const identity = this.#identity(file);
    const id = partId(identity);
    if (!parts.has(`${id}.part`) || !parts.has(`${id}.blocks`)) return [];
    const paths = this.#partPaths(identity);
    const bytes = statSync(paths.part, { throwIfNoEntry: false })?.size ?? 0;
    return PartJournal.peek(paths.journal, identity, bytes);
  }

  async #freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(existingAncestor(this.directory));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  #identity(file: RemoteFile): PartIdentity {
    const { revision } = this.#options;
    const { digest } = file;
    return {
      repo: repoPath(revision.repo),
      path: file.path,
      size: file.size,
      content: digest === undefined ? `commit:${revision.commit}` : `${digest.algorithm}:${digest.hex}`,
    };
  }

  #partPaths(identity: PartIdentity): { part: string; journal: string } {
    const stem = inside(this.directory, `${PARTS_FOLDER}/${partId(identity)}`);
    return { part: `${stem}.part`, journal: `${stem}.blocks` };
  }

  async #recordForHub(file: RemoteFile): Promise<void> {
    if (file.digest === undefined) return;
    await writeHubMetadata(this.directory, file.path, {
      commit: this.#options.revision.commit,
      etag: file.digest.hex,
      recordedMs: this.#options.lock.clock.now(),
    });
  }

  /** The selected files, and what an earlier run left that this revision still has with the same content. */
  #describe(revision: Revision, selected: readonly RemoteFile[], listing: readonly RemoteFile[]): Manifest {
    const files = new Map<string, ManifestFile>();
    const upstream = new Map(listing.map((file) => [file.path, file]));
    for (const entry of this.#manifest?.files ?? []) {
      const file = upstream.get(entry.path);
      if (file?.digest === undefined || file.digest.hex !== entry.oid) continue;
      const found = statSync(this.finalPath(file), { throwIfNoEntry: false });
      if (found?.size === entry.size) files.set(entry.path, entry);
    }
    for (const file of selected) {
      const sha256 = this.#known.get(file.path)?.sha256;
      if (sha256 === undefined) throw new FetchError('BUG', `nothing is known of ${file.path}`);
      files.set(file.path, { path: file.path, size: file.size, sha256, oid: file.digest?.hex ?? sha256 });
    }
    return {
      version: 1,
      endpoint: this.#options.endpoint,
      repo: { type: revision.repo.type, id: revision.repo.id },
      revision: revision.name,
      commit: revision.commit,
      files: [...files.values()],
    };
  }

  /** Parts of files that the revision has and that were not asked for this time may still be wanted. */
  async #removeOldParts(selected: readonly RemoteFile[], listing: readonly RemoteFile[]): Promise<void> {
    const folder = inside(this.directory, PARTS_FOLDER);
    const names = await readdir(folder);
    if (names.length === 0) return;
    const done = new Set(selected.map((file) => file.path));
    const wanted = listing.filter((file) => !done.has(file.path));
    const keep = new Set(wanted.map((file) => partId(this.#identity(file))));
    for (const name of names) {
      if (!keep.has(name.slice(0, name.lastIndexOf('.')))) await removeIfThere(inside(folder, name));
    }
  }
}

/** Names part and journal on disk. Says nothing of the content; the journal's first line does. */
function partId({ repo, path, size, content }: PartIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify([repo, path, size, content]))
    .digest('hex')
    .slice(0, 32);
}

const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# The records in this folder were made by fetch, in the format of huggingface_hub.
# About this file: https://bford.info/cachedir/
`;

async function writeOnce(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      await mkdir(inside(path, '..'), { recursive: true });
      await writeFile(path, content);
    } else if (code !== 'EEXIST') {
      throw error;
    }
  }
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Removes our own empty folders, and the directory if nothing else is in it. */
async function removeIfEmpty(directory: string): Promise<void> {
  const state = inside(directory, STATE_FOLDER);
  const parts = inside(directory, PARTS_FOLDER);
  const others = listNames(state).filter((name) => name !== '.gitignore' && name !== 'parts');
  if (others.length > 0 || listNames(parts).length > 0) return;
  if (listNames(directory).some((name) => name !== '.cache')) return;
  if (listNames(inside(directory, '.cache')).some((name) => name !== 'fetch')) return;
  await removeIfThere(inside(state, '.gitignore')).catch(() => {});
  for (const folder of [parts, state, inside(directory, '.cache'), directory])
    await rmdir(folder).catch(() => {});
}
