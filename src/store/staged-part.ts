import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { ByteRange } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';
import { IntervalSet } from '../model/interval-set.ts';
import { onDisk, onDiskSync } from '../system/disk-error.ts';
import { makeFolder } from './make-folder.ts';
import { BLOCK_BYTES, type PartIdentity, PartJournal } from './part-journal.ts';
import type { ContentDigests, StagedFile } from './store.ts';

const makeDurable = promisify(fdatasync);

export interface StagedPartPaths {
  readonly part: string;
  readonly journal: string;
  /** Where the file stands once it is right. */
  readonly final: (digests: ContentDigests) => string;
}

/**
 * A part file with its journal. Files of one block or less have no journal: fetching them again is
 * cheaper than a second file.
 */
export class StagedPart implements StagedFile {
  readonly received: IntervalSet;
  readonly descriptor: number;
  readonly #paths: StagedPartPaths;
  readonly #size: number;
  readonly #journal: PartJournal | undefined;
  readonly #onCommit: (digests: ContentDigests) => Promise<void>;
  #open = true;

  constructor(
    paths: StagedPartPaths,
    identity: PartIdentity,
    onCommit: (digests: ContentDigests) => Promise<void>,
  ) {
    this.#paths = paths;
    this.#size = identity.size;
    this.#onCommit = onCommit;
    const journaled = identity.size > BLOCK_BYTES;
    this.descriptor = openPart(paths, journaled);
    try {
      const { size } = fstatSync(this.descriptor);
      this.#journal = journaled ? PartJournal.open(paths.journal, identity, size) : undefined;
      // Whatever stands behind the end would stay there for ever.
      if (size > identity.size) ftruncateSync(this.descriptor, identity.size);
    } catch (error) {
      closeSync(this.descriptor);
      throw error;
    }
    this.received = new IntervalSet(this.#journal?.held ?? []);
  }

  get partPath(): string {
    return this.#paths.part;
  }

  wrote(range: ByteRange): number {
    // Word of a write that two lanes made may come when the file is settled.
    if (!this.#open) return 0;
    const added = this.received.add(range);
    onDiskSync(this.#paths.journal, () => this.#journal?.record(range, this.received));
    return added;
  }

  restart(): void {
    this.#mustBeOpen();
    this.received.clear();
    onDiskSync(this.#paths.journal, () => this.#journal?.clear());
  }

  async commit(digests: ContentDigests): Promise<void> {
    this.#mustBeOpen();
    const final = this.#paths.final(digests);
    await onDisk(final, async () => {
      // The content must survive a power cut before the name does.
      await makeDurable(this.descriptor);
      this.#mustBeWhatWasHashed();
      this.#close();
      await moveInto(this.#paths.part, final);
      if (this.#journal !== undefined) await removeIfThere(this.#paths.journal);
      await this.#onCommit(digests);
    });
  }

  async discard(): Promise<void> {
    this.#close();
    await onDisk(this.#paths.part, async () => {
      await removeIfThere(this.#paths.part);
      await removeIfThere(this.#paths.journal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    // Without a whole block there is nothing that a later run could continue.
    const worthless = (this.#journal?.held.length ?? 0) === 0 && this.#isOurs();
    this.#close();
    if (worthless) await this.discard().catch(() => {});
  }

  /** The number of a closed descriptor may be that of another file by now: nothing may be done with it. */
  #mustBeOpen(): void {
    if (!this.#open) throw new FetchError('BUG', `${this.#paths.part} is not open any more`);
  }

  /** Another run that did not see our lock may have put its own part there: that one was not verified. */
  #mustBeWhatWasHashed(): void {
    if (this.#isOurs() && fstatSync(this.descriptor).size === this.#size) return;
    throw new FetchError('DISK', `${this.#paths.part} was changed by another program`, {
      hint: 'Nothing else may work in this directory meanwhile. Run the same command again.',
    });
  }

  #isOurs(): boolean {
    const named = lstatSync(this.#paths.part, { throwIfNoEntry: false });
    const own = fstatSync(this.descriptor);
    return named !== undefined && named.ino === own.ino && named.dev === own.dev;
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#journal?.close();
    closeSync(this.descriptor);
  }
}

/** What is written must stay in the folder of parts: a link or anything else that is no file gives way. */
function openPart({ part, journal }: StagedPartPaths, journaled: boolean): number {
  for (const path of journaled ? [part, journal] : []) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) unlinkSync(path);
  }
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  if (journaled) return openSync(part, flags, 0o666);
  // A new file, not the old one emptied: somebody may be about to give that one its final name.
  if (lstatSync(part, { throwIfNoEntry: false }) !== undefined) unlinkSync(part);
  return openSync(part, flags | constants.O_EXCL, 0o666);
}

async function moveInto(part: string, final: string): Promise<void> {
  try {
    await rename(part, final);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await makeFolder(dirname(final));
    await rename(part, final);
  }
}

export async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
