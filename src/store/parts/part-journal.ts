import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { BLOCK_BYTES } from '../../model/flat-ranges.ts';
import { IntervalSet } from '../../model/interval-set.ts';
import { writeFully } from '../../system/disk/write-fully.ts';

/** The file that a part belongs to. A part with another identity is not continued. */
export interface PartIdentity {
  readonly repo: string;
  readonly path: string;
  readonly size: number;
  /** `sha256:…` or `git-sha1:…`; `commit:…` if the file has no digest. */
  readonly content: string;
}

function headerLine(identity: PartIdentity): Buffer {
  const { repo, path, size, content } = identity;
  return Buffer.from(`${JSON.stringify({ version: 2, block: BLOCK_BYTES, repo, path, size, content })}\n`);
}

/** The line after the header: the boot id of the machine that made the marks. */
const BOOT_BYTES = 33;

function bootLine(boot: string): Buffer {
  return Buffer.from(`${boot.slice(0, BOOT_BYTES - 1).padEnd(BOOT_BYTES - 1)}\n`);
}

function blockCount(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

/** Marks are written in pages of so many: one call for what many connections completed. */
const PAGE_MARKS = 4096;

/** The whole block was written to the system: it survives a crash of the process. */
const WRITTEN = 1;
/** The block was also flushed to the disk: it survives a power cut. */
const DURABLE = 2;

/**
 * Records which blocks of a part are on disk: a line of JSON with the identity, a line with the boot id, and one byte per
 * block of 256 KiB. After a reboot only durable blocks count. The journal saves time; the digest decides.
 */
export class PartJournal {
  readonly #descriptor: number;
  readonly #offset: number;
  readonly #size: number;
  readonly #marked: Uint8Array;
  /** Numbers of the pages with marks that were made and not written. */
  readonly #unwritten = new Set<number>();
  /** Indexes of the blocks that were written since the last checkpoint began. */
  #fresh = new IntervalSet();
  /** Counts the calls of `clear`. */
  #epoch = 0;

  private constructor(descriptor: number, offset: number, size: number, marked: Uint8Array) {
    this.#descriptor = descriptor;
    this.#offset = offset;
    this.#size = size;
    this.#marked = marked;
    for (const range of runsOf(marked, WRITTEN)) this.#fresh.add(range);
  }

  /** Opens the journal of this part. Starts a new one if there is none, or one of another part. */
  static open(path: string, identity: PartIdentity, partBytes: number, boot: string): PartJournal {
    const continued = readMarks(path, identity, partBytes, boot);
    const header = Buffer.concat([headerLine(identity), bootLine(boot)]);
    const marked = continued ?? new Uint8Array(blockCount(identity.size));
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
    const descriptor = openSync(path, flags, 0o666);
    try {
      if (!fstatSync(descriptor).isFile())
        throw new FetchError('DISK', `${path} is not a regular file`, {
          hint: 'It belongs to fetch. Remove it and run the same command again.',
        });
      if (continued === undefined) ftruncateSync(descriptor, 0);
      // Rewrites a continued journal too: a mark of a block that the truncated part lost would count again once a later
      // block extends the part. This also takes the space for all later marks.
      writeFully(descriptor, Buffer.concat([header, marked]), 0);
      ftruncateSync(descriptor, header.length + marked.length);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return new PartJournal(descriptor, header.length, identity.size, marked);
  }

  /** The identity in the header; undefined if this is no journal of this version. */
  static identify(path: string): PartIdentity | undefined {
    const line = firstLine(path);
    if (line === undefined) return undefined;
    try {
      const identity = JSON.parse(line) as PartIdentity;
      const { repo, path: name, size, content } = identity;
      const texts = [repo, name, content].every((text) => typeof text === 'string');
      if (!texts || !Number.isSafeInteger(size) || size < 0) return undefined;
      return headerLine(identity).toString() === `${line}\n` ? identity : undefined;
    } catch {
      return undefined;
    }
  }

  /** The ranges that a journal records, without opening it for writing. */
  static peek(path: string, identity: PartIdentity, partBytes: number, boot: string): readonly ByteRange[] {
    const marked = readMarks(path, identity, partBytes, boot);
    return marked === undefined ? [] : heldRanges(marked, identity.size);
  }

  /** Opens a journal for reading beside the run that writes it. Undefined if it is missing, torn or of another part. */
  static async view(path: string, identity: PartIdentity, boot: string): Promise<JournalView | undefined> {
    const file = await open(path, READ_FLAGS).catch(() => undefined);
    if (file === undefined) return undefined;
    const header = headerLine(identity);
    const found = Buffer.alloc(header.length + BOOT_BYTES);
    const { bytesRead } = await file.read(found, 0, found.length, 0).catch(() => ({ bytesRead: 0 }));
    if (bytesRead < found.length || !found.subarray(0, header.length).equals(header)) {
      await file.close();
      return undefined;
    }
    const least = leastMark(found.subarray(header.length), boot);
    return {
      covers: async ({ start, end }) => {
        const [first, last] = [Math.floor(start / BLOCK_BYTES), Math.ceil(end / BLOCK_BYTES)];
        const marks = Buffer.alloc(last - first);
        await file.read(marks, 0, marks.length, found.length + first);
        return marks.every((mark) => mark >= least && mark <= DURABLE);
      },
      isNamed: async () => (await file.stat()).nlink > 0,
      close: () => file.close(),
    };
  }

  /** Writes the journal of a copied part: these ranges are written and not yet durable. */
  static write(path: string, identity: PartIdentity, held: readonly ByteRange[], boot: string): void {
    const marked = new Uint8Array(blockCount(identity.size));
    const set = new IntervalSet(held);
    for (const { start, end } of held) {
      const [first, last] = [Math.ceil(start / BLOCK_BYTES), Math.ceil(end / BLOCK_BYTES)];
      for (let block = first; block < last; block += 1) {
        if (set.covers(blockRange(block, identity.size))) marked[block] = WRITTEN;
      }
    }
    writeFileSync(path, Buffer.concat([headerLine(identity), bootLine(boot), marked]), { flag: 'wx' });
  }

  get held(): readonly ByteRange[] {
    return heldRanges(this.#marked, this.#size);
  }

  /**
   * Marks the blocks that `written` completes. `received` is everything written so far. The marks survive a crash once
   * `write` was called.
   */
  record(written: ByteRange, received: IntervalSet): void {
    const last = Math.min(Math.floor((written.end - 1) / BLOCK_BYTES), this.#marked.length - 1);
    const first = Math.floor(written.start / BLOCK_BYTES);
    for (let block = first; block <= last; block += 1) {
      const from = block;
      while (block <= last && this.#isNew(block, received)) block += 1;
      if (block === from) continue;
      this.#fresh.add({ start: from, end: block });
      this.#mark(from, block, WRITTEN);
    }
  }

  #isNew(block: number, received: IntervalSet): boolean {
    return this.#marked[block] === 0 && received.covers(blockRange(block, this.#size));
  }

  #mark(from: number, to: number, mark: number): void {
    this.#marked.fill(mark, from, to);
    for (let page = Math.floor(from / PAGE_MARKS); page * PAGE_MARKS < to; page += 1)
      this.#unwritten.add(page);
  }

  /** There are marks that `write` would write. */
  get isUnwritten(): boolean {
    return this.#unwritten.size > 0;
  }

  /** Writes the marks that were made since the last call. */
  write(): void {
    for (const page of this.#unwritten) {
      const from = page * PAGE_MARKS;
      const marks = this.#marked.subarray(from, from + PAGE_MARKS);
      writeFully(this.#descriptor, marks, this.#offset + from);
    }
    this.#unwritten.clear();
  }

  /**
   * Begins a checkpoint. Call the returned function after a flush: it marks as durable what was written before the
   * checkpoint, unless `clear` was called meanwhile. The cost depends on what was written since the last checkpoint, not on
   * the file size.
   */
  checkpoint(): () => void {
    const written = this.#fresh.ranges;
    const epoch = this.#epoch;
    this.#fresh = new IntervalSet();
    return () => {
      if (epoch !== this.#epoch) return;
      for (const { start, end } of written) this.#mark(start, end, DURABLE);
      this.write();
    };
  }

  /** Clears all marks. */
  clear(): void {
    this.#epoch += 1;
    this.#fresh = new IntervalSet();
    this.#mark(0, this.#marked.length, 0);
    this.write();
  }

  /** Clears the marks of all blocks that have bytes in one of the ranges. */
  forget(ranges: readonly ByteRange[]): void {
    this.#epoch += 1;
    for (const { start, end } of ranges) {
      const [first, last] = [Math.floor(start / BLOCK_BYTES), Math.ceil(end / BLOCK_BYTES)];
      this.#fresh.remove({ start: first, end: last });
      this.#mark(first, last, 0);
    }
    this.write();
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** A journal that is read while a run may be writing it. */
export interface JournalView {
  /** Whether every block that has bytes of the range counts now. */
  covers(range: ByteRange): Promise<boolean>;
  /** False when it was removed: the part is finished or discarded. */
  isNamed(): Promise<boolean>;
  close(): Promise<void>;
}

const READ_FLAGS: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The least mark that counts: after a reboot only durable blocks do. */
function leastMark(line: Buffer, boot: string): number {
  return line.equals(bootLine(boot)) ? WRITTEN : DURABLE;
}

function blockRange(block: number, size: number): ByteRange {
  return { start: block * BLOCK_BYTES, end: Math.min(size, (block + 1) * BLOCK_BYTES) };
}

/** The marks of a journal of this part; undefined if it is missing, torn or of another part. */
function readMarks(
  path: string,
  identity: PartIdentity,
  partBytes: number,
  boot: string,
): Uint8Array | undefined {
  const { size } = identity;
  const header = headerLine(identity);
  const descriptor = openForReading(path);
  if (descriptor === undefined) return undefined;
  try {
    if (!fstatSync(descriptor).isFile()) return undefined;
    const found = Buffer.alloc(header.length + BOOT_BYTES);
    if (readSync(descriptor, found, 0, found.length, 0) < found.length) return undefined;
    if (!found.subarray(0, header.length).equals(header)) return undefined;
    const least = leastMark(found.subarray(header.length), boot);
    const marked = new Uint8Array(blockCount(size));
    readSync(descriptor, marked, 0, marked.length, found.length);
    for (let block = 0; block < marked.length; block += 1) {
      const mark = marked[block]!;
      // A truncated part does not hold the blocks behind its end.
      if (mark < least || mark > DURABLE || blockRange(block, size).end > partBytes) marked[block] = 0;
    }
    return marked;
  } finally {
    closeSync(descriptor);
  }
}

/** Undefined if the file is missing or a link. */
function openForReading(path: string): number | undefined {
  try {
    // O_NONBLOCK: without it, opening a pipe would wait for a writer.
    return openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
}

/** More than the header with the longest path takes. */
const MAX_HEADER_BYTES = 32 * 1024;

function firstLine(path: string): string | undefined {
  const descriptor = openForReading(path);
  if (descriptor === undefined) return undefined;
  try {
    if (!fstatSync(descriptor).isFile()) return undefined;
    const bytes = Buffer.alloc(MAX_HEADER_BYTES);
    const end = bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0)).indexOf('\n');
    return end < 0 ? undefined : bytes.toString('utf8', 0, end);
  } finally {
    closeSync(descriptor);
  }
}

function heldRanges(marked: Uint8Array, size: number): ByteRange[] {
  const held = new IntervalSet();
  for (let block = 0; block < marked.length; block += 1) {
    if (marked[block] !== 0) held.add(blockRange(block, size));
  }
  return [...held.ranges];
}

/** Runs of blocks with this mark. */
function runsOf(marked: Uint8Array, mark: number): ByteRange[] {
  const runs: ByteRange[] = [];
  for (let start = marked.indexOf(mark); start >= 0; start = marked.indexOf(mark, start)) {
    const from = start;
    while (marked[start] === mark) start += 1;
    runs.push({ start: from, end: start });
  }
  return runs;
}
