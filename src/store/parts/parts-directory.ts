import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../../model/byte-range.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type Revision, repoPath } from '../../model/repo.ts';
import { bootId } from '../../system/disk/boot-id.ts';
import { copyRanges } from '../../system/disk/copy-content.ts';
import { isLocalDisk } from '../../system/disk/local-disk.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import { BLOCK_BYTES, type PartIdentity, PartJournal } from './part-journal.ts';
import { type OwnerState, PartOwner } from './part-owner.ts';

export interface Part {
  readonly identity: PartIdentity;
  /** Absolute paths of the unfinished file and of its journal, while this run works on them. */
  readonly part: string;
  readonly journal: string;
  /** Path of an idle part. */
  readonly free: { readonly part: string; readonly journal: string };
}

/** `ID.part` and `ID.blocks` have no owner; `ID.OWNER.part` and `ID.OWNER.blocks` belong to a run. */
const PART_NAME = /^([0-9a-f]+)(?:\.([^.]+))?\.(part|blocks)$/;

interface Found {
  readonly part: string;
  readonly journal: string;
  readonly held: readonly ByteRange[];
  readonly heldBytes: number;
  /** Its owner may still write to it, so no other run may. */
  readonly mayBeInUse: boolean;
}

/** Where the unfinished files of one revision stand. */
export class PartsDirectory {
  readonly boot: string = bootId();
  readonly #directory: string;
  readonly #revision: Revision;
  readonly #owner: PartOwner;

  constructor(directory: string, revision: Revision, context: ProcessContext) {
    this.#directory = directory;
    this.#revision = revision;
    this.#owner = new PartOwner(context, () => isLocalDisk(directory));
  }

  /** Paths of this run's part of a file. Takes over the part of an earlier run, or copies it if its owner may still write. */
  async take(file: RemoteFile, signal?: AbortSignal): Promise<Part> {
    const identity = this.#identity(file);
    const stem = join(this.#directory, partId(identity));
    const own = `${stem}.${this.#owner.token}`;
    const [part, journal] = [`${own}.part`, `${own}.blocks`];
    const found = identity.size > BLOCK_BYTES ? this.#find(identity, this.names()) : undefined;
    if (found?.mayBeInUse === true) {
      await this.#copy(found, identity, { part, journal }, signal);
    } else if (found !== undefined) {
      // The journal first: if we are killed between the two, the next run finds it for the part.
      renameIfThere(found.journal, journal);
      renameIfThere(found.part, part);
    }
    return { identity, part, journal, free: { part: `${stem}.part`, journal: `${stem}.blocks` } };
  }

  /** Later writes of the owner go to its own file. Without room for a copy, the part starts empty. */
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

  /** A name of this run's own beside the parts, for something that is put together before it is moved. */
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

  /** What an earlier run left of this file. `names` spares looking for what is not there. */
  held(file: RemoteFile, names: ReadonlySet<string>): readonly ByteRange[] {
    if (names.size === 0) return [];
    return this.#find(this.#identity(file), names)?.held ?? [];
  }

  /** The largest idle part of this content. */
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
      // A run that was killed while it took them over has the one under its name, and not yet the other.
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

  /** State of the owner. An entry that is not a regular file, or has a second link, is not treated as ours. */
  #state(name: string): OwnerState {
    const match = PART_NAME.exec(name);
    const found = lstatSync(join(this.#directory, name), { throwIfNoEntry: false });
    if (match === null || found?.isFile() !== true || found.nlink !== 1) return 'alive';
    return this.#owner.state(match[2], found.mtimeMs);
  }

  /**
   * Parts of files that the revision has and that were not asked for this time may still be wanted; all
   * others are removed. One that cannot be removed does no harm.
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
    const { repo, id: commit } = this.#revision;
    const { path, size, digest } = file;
    const content = digest === undefined ? `commit:${commit}` : `${digest.algorithm}:${digest.hex}`;
    return { repo: repoPath(repo), path, size, content };
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // Another run was quicker: then it is that one's.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Names part and journal on disk. Says nothing of the content; the journal's first line does. */
function partId({ repo, path, size, content }: PartIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify([repo, path, size, content]))
    .digest('hex')
    .slice(0, 32);
}
