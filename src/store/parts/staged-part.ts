import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import type { ByteRange } from '../../model/byte-range.ts';
import type { ContentDigests } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import { BLOCK_BYTES } from '../../model/flat-ranges.ts';
import { IntervalSet } from '../../model/interval-set.ts';
import { onDisk, onDiskSync } from '../../system/disk/disk-error.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { FinalPlace } from '../paths/final-place.ts';
import type { StagedFile } from '../store.ts';
import { type Companion, namePart } from './name-part.ts';
import { type PartIdentity, PartJournal } from './part-journal.ts';
import type { PartNamer } from './part-namer.ts';

export interface StagedPartPaths {
  readonly part: string;
  readonly journal: string;
  /** How many bytes beyond its end a write may begin; undefined for any number. */
  readonly reachBytes: number | undefined;
  /** Final path of the file. */
  readonly final: (digests: ContentDigests) => string;
  /** Paths that release both for any other run, once this run ends in order. */
  readonly free: { readonly part: string; readonly journal: string };
}

export interface StagedPartContext {
  /** The boot id of the machine. */
  readonly boot: string;
  readonly monotonic: () => number;
  readonly flush: Flush;
  /** Gives the finished file its final name. */
  readonly place: FinalPlace;
  /** Names the parts that have no journal. */
  readonly namer: PartNamer;
  /** What is written beside the finished file; nothing if left out. */
  readonly companion?: (() => Companion | undefined) | undefined;
  /** `stamp` is that of the hashed file under its final name; undefined if it changed meanwhile. */
  readonly onCommit: (digests: ContentDigests, stamp: string | undefined) => Promise<void>;
}

/** A power cut loses at most this many bytes, or this much time. */
const CHECKPOINT_BYTES = 256 * 1024 * 1024;
const CHECKPOINT_MS = 10_000;

/**
 * A part file with its journal. Files of at most one block have no journal: fetching them again is cheaper than a second
 * file.
 */
export class StagedPart implements StagedFile {
  readonly received: IntervalSet;
  readonly descriptor: number;
  readonly #paths: StagedPartPaths;
  readonly #size: number;
  readonly #journal: PartJournal | undefined;
  readonly #context: StagedPartContext;
  #open = true;
  #unsafeBytes = 0;
  #checkpointAt: number;
  #checkpoint: Promise<void> | undefined;
  /** Set when a flush fails. The system reports a lost write only once, so nothing in the part can be trusted. */
  #lost: { readonly error: unknown } | undefined;
  /** Why the journal could not be written. */
  #unmarked: { readonly error: unknown } | undefined;
  #isMarking = false;
  /** Set while the file has its final name and is not on record. */
  #named: { readonly stamp: string | undefined } | undefined;

  constructor(paths: StagedPartPaths, identity: PartIdentity, context: StagedPartContext) {
    this.#paths = paths;
    this.#size = identity.size;
    this.#context = context;
    this.#checkpointAt = context.monotonic();
    const journaled = identity.size > BLOCK_BYTES;
    this.descriptor = openPart(paths, journaled);
    try {
      const { size } = fstatSync(this.descriptor);
      this.#journal = journaled ? PartJournal.open(paths.journal, identity, size, context.boot) : undefined;
      // Nothing later removes bytes beyond the expected size.
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

  get reachBytes(): number | undefined {
    return this.#paths.reachBytes;
  }

  wrote(range: ByteRange): number {
    // A second connection may report its write after the file is committed.
    if (!this.#open) return 0;
    if (this.#unmarked !== undefined) throw this.#unmarked.error;
    const added = this.received.add(range);
    this.#journal?.record(range, this.received);
    this.#markSoon();
    this.#unsafeBytes += added;
    this.#checkpointIfDue();
    return added;
  }

  /** Writes the marks once for all writes that are reported together. The next call of `wrote` or `commit` throws a failure. */
  #markSoon(): void {
    if (this.#isMarking || this.#journal?.isUnwritten !== true) return;
    this.#isMarking = true;
    queueMicrotask(() => {
      this.#isMarking = false;
      if (this.#open) this.#writeMarks();
    });
  }

  #writeMarks(): void {
    try {
      onDiskSync(this.#paths.journal, () => this.#journal?.write());
    } catch (error) {
      this.#unmarked ??= { error };
    }
  }

  /**
   * Flushes in the background, beside the writers, and marks content as durable only after the flush succeeded: the power
   * may fail at any time.
   */
  #checkpointIfDue(): void {
    if (this.#journal === undefined || this.#checkpoint !== undefined) return;
    const now = this.#context.monotonic();
    if (this.#unsafeBytes < CHECKPOINT_BYTES && now - this.#checkpointAt < CHECKPOINT_MS) return;
    this.#unsafeBytes = 0;
    this.#checkpointAt = now;
    const markDurable = this.#journal.checkpoint();
    this.#checkpoint = this.#makeDurable()
      .then((isDurable) => {
        if (isDurable) markDurable();
      })
      // `commit` throws it.
      .catch((error) => this.#poison(error))
      .finally(() => {
        this.#checkpoint = undefined;
      });
  }

  /**
   * The system reports a lost write to one flush only, and then treats the pages as clean: even after a later flush
   * succeeds, or in a later run, the part cannot be trusted.
   */
  async #makeDurable(): Promise<boolean> {
    try {
      return await this.#context.flush.file(this.descriptor);
    } catch (error) {
      this.#poison(error);
      throw error;
    }
  }

  /** Clears the journal at once: if the run is killed now, the next run must find no marks. */
  #poison(error: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = { error };
    try {
      this.#journal?.clear();
    } catch {
      // Disposing removes both files.
    }
  }

  restart(ranges?: readonly ByteRange[]): void {
    this.#mustBeOpen();
    if (ranges === undefined) {
      this.received.clear();
      onDiskSync(this.#paths.journal, () => this.#journal?.clear());
      return;
    }
    for (const range of ranges) this.received.remove(range);
    onDiskSync(this.#paths.journal, () => this.#journal?.forget(ranges));
  }

  async commit(digests: ContentDigests): Promise<void> {
    const final = this.#paths.final(digests);
    await onDisk(final, async () => {
      this.#named ??= { stamp: await this.#name(final) };
      if (this.#journal !== undefined) await removeIfThere(this.#paths.journal);
      await this.#context.onCommit(digests, this.#named.stamp);
      this.#named = undefined;
    });
  }

  /** Returns the stamp of the file under its final name; undefined if it changed meanwhile. */
  async #name(final: string): Promise<string | undefined> {
    this.#mustBeOpen();
    const { place, namer, companion } = this.#context;
    const { descriptor } = this;
    const part = { part: this.#paths.part, final, size: this.#size, descriptor, companion: companion?.() };
    if (this.#journal === undefined) {
      return await namer.name(part, (isClosed) => {
        if (isClosed) this.#open = false;
        else this.#close();
      });
    }
    // The content must be durable before the name is.
    await this.#makeDurable();
    await this.#checkpoint;
    const failure = this.#lost ?? this.#unmarked;
    if (failure !== undefined) throw failure.error;
    return await namePart(part, place, () => this.#close());
  }

  async discard(): Promise<void> {
    await this.#checkpoint;
    this.#close();
    await onDisk(this.#paths.part, async () => {
      await removeIfThere(this.#paths.part);
      await removeIfThere(this.#paths.journal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#checkpoint;
    if (!this.#open) return;
    // Without a complete block a later run has nothing to continue.
    const worthless = this.#lost !== undefined || (this.#journal?.held.length ?? 0) === 0;
    const ours = this.#isKnownAsOurs();
    this.#writeMarks();
    this.#close();
    if (!ours) return;
    if (worthless) await this.discard().catch(() => {});
    else await this.#putBack().catch(() => {});
  }

  /** Releases the part for the next run. */
  async #putBack(): Promise<void> {
    await rename(this.#paths.part, this.#paths.free.part);
    await rename(this.#paths.journal, this.#paths.free.journal);
  }

  /** The number of a closed descriptor may belong to another file by now. */
  #mustBeOpen(): void {
    if (!this.#open) throw new FetchError('BUG', `${this.#paths.part} is not open any more`);
  }

  #isOurs(): boolean {
    const named = lstatSync(this.#paths.part, { throwIfNoEntry: false });
    const own = fstatSync(this.descriptor);
    return named !== undefined && named.ino === own.ino && named.dev === own.dev;
  }

  /** Leaves a part in place if it cannot be examined: the run already reports why it ended. */
  #isKnownAsOurs(): boolean {
    try {
      return this.#isOurs();
    } catch {
      return false;
    }
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#journal?.close();
    closeSync(this.descriptor);
  }
}

/** Does not follow links: writes must stay in the directory of parts. */
function openPart({ part }: StagedPartPaths, journaled: boolean): number {
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  if (journaled) {
    const descriptor = openSync(part, flags, 0o666);
    if (fstatSync(descriptor).nlink === 1) return descriptor;
    // A file with a second link may belong to another program.
    closeSync(descriptor);
  }
  // Creates a new file instead of truncating the old one, which another run may be renaming.
  if (lstatSync(part, { throwIfNoEntry: false }) !== undefined) unlinkSync(part);
  return openSync(part, flags | constants.O_EXCL, 0o666);
}
