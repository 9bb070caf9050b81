import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { type Revision, repoPath } from '../model/repo.ts';
import { type PartIdentity, PartJournal } from './part-journal.ts';
import { removeIfThere } from './staged-part.ts';

export interface Part {
  readonly identity: PartIdentity;
  /** Absolute paths of the unfinished file and of its journal. */
  readonly part: string;
  readonly journal: string;
}

/** Where the unfinished files of one revision stand. */
export class PartsFolder {
  readonly #folder: string;
  readonly #revision: Revision;

  constructor(folder: string, revision: Revision) {
    this.#folder = folder;
    this.#revision = revision;
  }

  partOf(file: RemoteFile): Part {
    const identity = this.#identity(file);
    const stem = join(this.#folder, partId(identity));
    return { identity, part: `${stem}.part`, journal: `${stem}.blocks` };
  }

  /** Names in the folder now; empty where there is none. */
  names(): ReadonlySet<string> {
    try {
      return new Set(readdirSync(this.#folder));
    } catch {
      return new Set();
    }
  }

  /** What an earlier run left of this file. `names` spares looking for what is not there. */
  held(file: RemoteFile, names: ReadonlySet<string>): readonly ByteRange[] {
    if (names.size === 0) return [];
    const { identity, part, journal } = this.partOf(file);
    if (!names.has(`${partId(identity)}.part`)) return [];
    const found = lstatSync(part, { throwIfNoEntry: false });
    return found?.isFile() === true ? PartJournal.peek(journal, identity, found.size) : [];
  }

  /**
   * Parts of files that the revision has and that were not asked for this time may still be wanted; all
   * others go. One that cannot be removed harms nobody.
   */
  async removeOld(done: readonly RemoteFile[], listing: readonly RemoteFile[]): Promise<void> {
    const names = await readdir(this.#folder);
    if (names.length === 0) return;
    const finished = new Set(done.map((file) => file.path));
    const wanted = listing.filter((file) => !finished.has(file.path));
    const keep = new Set(wanted.map((file) => partId(this.#identity(file))));
    for (const name of names) {
      if (!keep.has(name.replace(/\.(part|blocks)$/, '')))
        await removeIfThere(join(this.#folder, name)).catch(() => {});
    }
  }

  #identity(file: RemoteFile): PartIdentity {
    const { repo, commit } = this.#revision;
    const { path, size, digest } = file;
    const content = digest === undefined ? `commit:${commit}` : `${digest.algorithm}:${digest.hex}`;
    return { repo: repoPath(repo), path, size, content };
  }
}

/** Names part and journal on disk. Says nothing of the content; the journal's first line does. */
function partId({ repo, path, size, content }: PartIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify([repo, path, size, content]))
    .digest('hex')
    .slice(0, 32);
}
