import { constants, lstatSync, readdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../../model/byte-range.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { bootId } from '../../system/disk/boot-id.ts';
import type { OpenPart } from '../held-revision.ts';
import { stampOf } from '../records/stamp.ts';
import { type JournalView, PartJournal } from './part-journal.ts';
import { PART_NAME, partId, partIdentity } from './parts-directory.ts';

interface FoundPart {
  readonly part: string;
  readonly journal: string;
  readonly ranges: readonly ByteRange[];
}

/** What unfinished downloads have written, for reading beside the runs that write it. */
export class WrittenParts {
  readonly #directory: string;
  readonly #revision: Pick<Revision, 'repo' | 'id'>;
  readonly #boot: string = bootId();

  constructor(directory: string, revision: Pick<Revision, 'repo' | 'id'>) {
    this.#directory = directory;
    this.#revision = revision;
  }

  /** The ranges of these files that are written, by path. Files of which nothing is are left out. */
  written(files: Iterable<RemoteFile>): ReadonlyMap<string, readonly ByteRange[]> {
    const parts = this.#parts();
    const written = new Map<string, readonly ByteRange[]>();
    for (const file of files) {
      const found = this.#best(file, parts);
      if (found !== undefined) written.set(file.path, found.ranges);
    }
    return written;
  }

  /** Opens what is written of a file. Undefined if not all of the range is. */
  async open(file: RemoteFile, range: ByteRange): Promise<OpenPart | undefined> {
    const found = this.#best(file, this.#parts());
    if (found?.ranges.some(({ start, end }) => start <= range.start && range.end <= end) !== true)
      return undefined;
    const identity = partIdentity(this.#revision, file);
    const journal = await PartJournal.view(found.journal, identity, this.#boot);
    if (journal === undefined) return undefined;
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    const part = await open(found.part, flags).catch(() => undefined);
    if (part === undefined) {
      await journal.close();
      return undefined;
    }
    return openPart(part, journal, range);
  }

  /** Names of parts by the id of their content. */
  #parts(): ReadonlyMap<string, readonly string[]> {
    const parts = new Map<string, string[]>();
    for (const name of namesIn(this.#directory)) {
      const [, id, , kind] = PART_NAME.exec(name) ?? [];
      if (id === undefined || kind !== 'part') continue;
      const known = parts.get(id);
      if (known === undefined) parts.set(id, [name]);
      else known.push(name);
    }
    return parts;
  }

  /** The part of a content with the most bytes, also of a run that still writes to it. */
  #best(file: RemoteFile, parts: ReadonlyMap<string, readonly string[]>): FoundPart | undefined {
    const identity = partIdentity(this.#revision, file);
    let best: FoundPart | undefined;
    let most = 0;
    for (const name of parts.get(partId(identity)) ?? []) {
      const part = join(this.#directory, name);
      const found = lstatSync(part, { throwIfNoEntry: false });
      // A file with a second link may belong to another program.
      if (found?.isFile() !== true || found.nlink !== 1) continue;
      const journal = part.replace(/part$/, 'blocks');
      const ranges = PartJournal.peek(journal, identity, found.size, this.#boot);
      const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      if (bytes <= most) continue;
      most = bytes;
      best = { part, journal, ranges };
    }
    return best;
  }
}

function openPart(part: FileHandle, journal: JournalView, range: ByteRange): OpenPart {
  let stamp: string | undefined;
  return {
    read: async (buffer, offset, length) => (await part.read(buffer, 0, length, offset)).bytesRead,
    isUnchanged: async () => {
      // The order decides: the marks count as they are behind the read, and only while the journal has its name.
      const marked = await journal.covers(range);
      if (!marked || (await journal.isNamed())) return marked;
      // The run has removed the journal: the part has its final name, and must not change any more.
      const found = await part.stat({ bigint: true });
      if (found.nlink === 0n) return false;
      stamp ??= stampOf(found);
      return stamp === stampOf(found);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([part.close(), journal.close()]);
    },
  };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
