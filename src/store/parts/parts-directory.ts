import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../../model/byte-range.ts';
import { BLOCK_BYTES } from '../../model/flat-ranges.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type Revision, repoPath } from '../../model/repo.ts';
import { bootId } from '../../system/disk/boot-id.ts';
import { copyRanges } from '../../system/disk/copy-content.ts';
import { isLocalDisk } from '../../system/disk/local-disk.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { allowFarWrites } from '../../system/disk/sparse-file.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { type PartIdentity, PartJournal } from './part-journal.ts';
import { type OwnerState, PartOwner } from './part-owner.ts';

export interface Part {
  readonly identity: PartIdentity;
  /** Absolute paths of the unfinished file and of its journal, while this run works on them. */
  readonly part: string;
  readonly journal: string;
  /** How many bytes beyond its end a write may begin; undefined for any number. */
  readonly reachBytes: number | undefined;
  /** Path of an idle part. */
  readonly free: { readonly part: string; readonly journal: string };
}

/** `ID.part` and `ID.blocks` have no owner; `ID.OWNER.part` and `ID.OWNER.blocks` belong to a run. */
export const PART_NAME: RegExp = /^([0-9a-f]+)(?:\.([^.]+))?\.(part|blocks)$/;

interface Found {
  readonly part: string;
  readonly journal: string;
  readonly held: readonly ByteRange[];
  readonly heldBytes: number;
  /** The owner may still write to it, so no other run may. */
  readonly mayBeInUse: boolean;
}

/** The directory with the unfinished files of one revision. */
export class PartsDirectory {
  readonly boot: string = bootId();
  readonly #directory: string;
  readonly #revision: Revision;
  readonly #owner: PartOwner;
  readonly #platform: 'posix' | 'win32';

  constructor(
    directory: string,
    revision: Revision,
    context: ProcessContext,
    platform: 'posix' | 'win32' = 'posix',
  ) {
    this.#platform = platform;
    this.#directory = directory;
    this.#revision = revision;
    this.#owner = new PartOwner(context, () => isLocalDisk(directory));
  }

  /**
   * Paths of this run's part of a file. Takes over the part of an earlier run, or copies it if the owner may still write to
   * it.
   */
  async take(file: RemoteFile, signal?: AbortSignal): Promise<Part> {
    const identity = this.#identity(file);
    const stem = join(this.#directory, partId(identity));
    const own = `${stem}.${this.#owner.token}`;
    const [part, journal] = [`${own}.part`, `${own}.blocks`];
    const found = identity.size > BLOCK_BYTES ? this.#find(identity, this.names()) : undefined;
    if (found?.mayBeInUse === true) {
      await this.#copy(found, identity, { part, journal }, signal);
    } else if (found !== undefined) {
      // The journal first: if we are killed between the two renames, the next run still finds it for the part.
      renameIfThere(found.journal, journal);
      renameIfThere(found.part, part);
    }
    const reachBytes = await allowFarWrites(part, identity.size, this.#platform);
    return { identity, part, journal, reachBytes, free: { part: `${stem}.part`, journal: `${stem}.blocks` } };
  }

  /** Copies a part, because its owner may still write to it. Without space for a copy, the part starts empty. */
  async #copy(
    found: Found,
    identity: PartIdentity,
    own: Pick<Part, 'part' | 'journal'>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await writeFile(own.part, '', { flag: 'wx' });
      await copyRanges(found.part, own.part, found.held, signal);
      PartJournal.write(own.journal, identity, found.held, this.boot);
    } catch (error) {
      await removeIfThere(own.part);
      await removeIfThere(own.journal);
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!['ENOSPC', 'EDQUOT', 'ENOENT'].includes(code)) throw error;
    }
  }

  /** Path of a temporary file of this run beside the parts. */
  scratch(file: RemoteFile): string {
    return join(this.#directory, `${partId(this.#identity(file))}.${this.#owner.token}.link`);
  }

  /** Current names in the directory; empty if it does not exist. */
  names(): ReadonlySet<string> {
    try {
      return new Set(readdirSync(this.#directory));
    } catch {
      return new Set();
    }
  }

  /** Ranges that an earlier run left of this file. `names` are the names in the directory. */
  held(file: RemoteFile, names: ReadonlySet<string>): readonly ByteRange[] {
    if (names.size === 0) return [];
    return this.#find(this.#identity(file), names)?.held ?? [];
  }

  /** The part of this content with the most bytes whose owner is not alive. */
  #find(identity: PartIdentity, names: ReadonlySet<string>): Found | undefined {
    const parts: string[] = [];
    const journals: string[] = [];
    const id = partId(identity);
    for (const name of names) {
      if (!name.startsWith(id) || this.#state(name) === 'alive') continue;
      if (name.endsWith('.part')) parts.push(name);
      else if (name.endsWith('.blocks')) journals.push(name);
    }
    let best: Found | undefined;
    for (const name of parts) {
      const part = join(this.#directory, name);
      const size = lstatSync(part, { throwIfNoEntry: false })?.size ?? 0;
      const own = name.replace(/part$/, 'blocks');
      // A run that was killed between the two renames has the journal under its own name, and not the part.
      for (const other of journals.includes(own) ? [own] : journals) {
        const journal = join(this.#directory, other);
        const held = PartJournal.peek(journal, identity, size, this.boot);
        const heldBytes = held.reduce((sum, { start, end }) => sum + end - start, 0);
        const mayBeInUse = this.#state(name) === 'silent';
        if (heldBytes > (best?.heldBytes ?? 0)) best = { part, journal, held, heldBytes, mayBeInUse };
      }
    }
    return best;
  }

  /**
   * State of the owner. An entry that is no regular file, or has a second link, counts as alive, because it may not be
   * ours.
   */
  #state(name: string): OwnerState {
    const match = PART_NAME.exec(name);
    const found = lstatSync(join(this.#directory, name), { throwIfNoEntry: false });
    if (match === null || found?.isFile() !== true || found.nlink !== 1) return 'alive';
    return this.#owner.state(match[2], found.mtimeMs);
  }

  /**
   * Removes parts, except those of listed files that this run did not select: a later run may continue them. Ignores what
   * cannot be removed.
   */
  async removeOld(done: readonly RemoteFile[], listing: readonly RemoteFile[]): Promise<void> {
    const names = await readdir(this.#directory);
    if (names.length === 0) return;
    const finished = new Set(done.map((file) => file.path));
    const wanted = listing.filter((file) => !finished.has(file.path));
    const keep = new Set(wanted.map((file) => partId(this.#identity(file))));
    for (const name of names) {
      const [, id = '', owner] = PART_NAME.exec(name) ?? [];
      if (keep.has(id) || (owner !== undefined && this.#state(name) === 'alive')) continue;
      await removeIfThere(join(this.#directory, name)).catch(() => {});
    }
  }

  #identity(file: RemoteFile): PartIdentity {
    return partIdentity(this.#revision, file);
  }
}

/** What the part of a file belongs to. */
export function partIdentity(
  { repo, id: commit }: Pick<Revision, 'repo' | 'id'>,
  { path, size, digest }: RemoteFile,
): PartIdentity {
  const content = digest === undefined ? `commit:${commit}` : `${digest.algorithm}:${digest.hex}`;
  return { repo: repoPath(repo), path, size, content };
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // Another run took it first.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Name of part and journal on disk. The header of the journal says what the content is. */
export function partId({ repo, path, size, content }: PartIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify([repo, path, size, content]))
    .digest('hex')
    .slice(0, 32);
}
