import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { mkdir, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { IntervalSet } from '../../model/interval-set.ts';
import { onDisk } from '../../system/disk-error.ts';
import type { ContentDigests, StagedFile } from '../store.ts';
import { BLOCK_BYTES, type PartIdentity, PartJournal } from './part-journal.ts';

const makeDurable = promisify(fdatasync);

export interface StagedPartPaths {
  readonly part: string;
  readonly journal: string;
  readonly final: string;
}

/**
 * A part file with its journal. Files of one block or less have no journal: fetching them again is
 * cheaper than a second file.
 */
export class StagedPart implements StagedFile {
  readonly received: IntervalSet;
  readonly descriptor: number;
  readonly #paths: StagedPartPaths;
  readonly #journal: PartJournal | undefined;
  readonly #onCommit: (digests: ContentDigests) => Promise<void>;
  #open = true;

  constructor(
    paths: StagedPartPaths,
    identity: PartIdentity,
    onCommit: (digests: ContentDigests) => Promise<void>,
  ) {
    this.#paths = paths;
    this.#onCommit = onCommit;
    const journaled = identity.size > BLOCK_BYTES;
    // No link is followed: what is written must stay in the folder of parts.
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
    this.descriptor = openSync(paths.part, journaled ? flags : flags | constants.O_TRUNC, 0o666);
    try {
      const found = fstatSync(this.descriptor);
      if (!found.isFile()) throw new FetchError('DISK', `${paths.part} is no file`);
      this.#journal = journaled ? PartJournal.open(paths.journal, identity, found.size) : undefined;
      // Whatever stands behind the end would stay there for ever.
      if (found.size > identity.size) ftruncateSync(this.descriptor, identity.size);
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
    const added = this.received.add(range);
    this.#journal?.record(range, this.received);
    return added;
  }

  restart(): void {
    this.received.clear();
    this.#journal?.clear();
  }

  async commit(digests: ContentDigests): Promise<void> {
    await onDisk(this.#paths.final, async () => {
      // The content must survive a power cut before the name does.
      await makeDurable(this.descriptor);
      this.#close();
      await moveInto(this.#paths.part, this.#paths.final);
      if (this.#journal !== undefined) await removeIfThere(this.#paths.journal);
      await this.#onCommit(digests);
    });
  }

  async discard(): Promise<void> {
    this.#close();
    await removeIfThere(this.#paths.part);
    await removeIfThere(this.#paths.journal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#journal?.close();
    closeSync(this.descriptor);
  }
}

async function moveInto(part: string, final: string): Promise<void> {
  try {
    await rename(part, final);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(final), { recursive: true });
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
