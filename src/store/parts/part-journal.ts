import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { IntervalSet } from '../../model/interval-set.ts';
import { writeFully } from '../../system/disk/write-fully.ts';

/** Bytes per entry of the journal: what a killed run loses of each range in flight, at most. */
export const BLOCK_BYTES: number = 256 * 1024;

/** What a part is a part of. A part of anything else is not continued. */
export interface PartIdentity {
  readonly repo: string;
  readonly path: string;
  readonly size: number;
  /** `sha256:…` or `git-sha1:…`; `commit:…` where the content has no hash of its own. */
  readonly content: string;
}

function headerLine(identity: PartIdentity): Buffer {
  const { repo, path, size, content } = identity;
  return Buffer.from(`${JSON.stringify({ version: 2, block: BLOCK_BYTES, repo, path, size, content })}\n`);
}

/** Behind the header: since which start of the machine the marks were made. */
const BOOT_BYTES = 33;

function bootLine(boot: string): Buffer {
  return Buffer.from(`${boot.slice(0, BOOT_BYTES - 1).padEnd(BOOT_BYTES - 1)}\n`);
}

function blockCount(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

/** All of the block was written: the system has it, and a crash of the process does not touch it. */
const WRITTEN = 1;
/** It was flushed to the disk as well: not even a power cut touches it. */
const DURABLE = 2;

/**
 * Which blocks of a part are on disk: one line of JSON that says what the part is of, one line that names
 * the start of the machine, then one byte per block of 256 KiB. After another start only what was durable
 * counts. It is a hint that saves time; the digest decides.
 */
export class PartJournal {
  readonly #descriptor: number;
  readonly #offset: number;
  readonly #size: number;
  readonly #marked: Uint8Array;
  /** Numbers of the blocks that were written since the last checkpoint began. */
  #fresh = new IntervalSet();
  /** How often everything was forgotten. */
  #epoch = 0;

  private constructor(descriptor: number, offset: number, size: number, marked: Uint8Array) {
    this.#descriptor = descriptor;
    this.#offset = offset;
    this.#size = size;
    this.#marked = marked;
    for (const range of runsOf(marked, WRITTEN)) this.#fresh.add(range);
  }

  /** Opens the journal of this part, or starts a new one if there is none or it is of something else. */
  static open(path: string, identity: PartIdentity, partBytes: number, boot: string): PartJournal {
    const continued = readMarks(path, identity, partBytes, boot);
    const header = Buffer.concat([headerLine(identity), bootLine(boot)]);
    const marked = continued ?? new Uint8Array(blockCount(identity.size));
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
    const descriptor = openSync(path, flags, 0o666);
    try {
      if (!fstatSync(descriptor).isFile())
        throw new FetchError('DISK', `${path} is no file`, {
          hint: 'It belongs to fetch. Remove it and run the same command again.',
        });
      if (continued === undefined) ftruncateSync(descriptor, 0);
      // Also when it is continued: a mark of a block that the part no longer has would hold again as soon as
      // a later block made the part long enough. And marking needs no more space than is taken here.
      writeFully(descriptor, Buffer.concat([header, marked]), 0);
      ftruncateSync(descriptor, header.length + marked.length);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return new PartJournal(descriptor, header.length, identity.size, marked);
  }

  /** The ranges that a journal vouches for, without opening it for writing. */
  static peek(path: string, identity: PartIdentity, partBytes: number, boot: string): readonly ByteRange[] {
    const marked = readMarks(path, identity, partBytes, boot);
    return marked === undefined ? [] : heldRanges(marked, identity.size);
  }

  /** A journal of a part that is a copy: these ranges are written, and not durable yet. */
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

  /** Marks the blocks that `written` completes. `received` is all that was written so far. */
  record(written: ByteRange, received: IntervalSet): void {
    const last = Math.min(Math.floor((written.end - 1) / BLOCK_BYTES), this.#marked.length - 1);
    const first = Math.floor(written.start / BLOCK_BYTES);
    const complete = (block: number) =>
      this.#marked[block] === 0 && received.covers(blockRange(block, this.#size));
    for (let block = first; block <= last; block += 1) {
      const from = block;
      while (block <= last && complete(block)) block += 1;
      if (block === from) continue;
      // All at once: a call to the system for each would be four thousand for a gibibyte.
      const marks = this.#marked.fill(WRITTEN, from, block).subarray(from, block);
      this.#fresh.add({ start: from, end: block });
      writeFully(this.#descriptor, marks, this.#offset + from);
    }
  }

  /**
   * Begins a checkpoint: the returned function says that all that was written by now is durable. Not if it was
   * forgotten in the meantime. Its cost depends on what was written since the last one, not on the size of the file.
   */
  checkpoint(): () => void {
    const written = this.#fresh.ranges;
    const epoch = this.#epoch;
    this.#fresh = new IntervalSet();
    return () => {
      if (epoch !== this.#epoch) return;
      for (const { start, end } of written) {
        const marks = this.#marked.fill(DURABLE, start, end).subarray(start, end);
        writeFully(this.#descriptor, marks, this.#offset + start);
      }
    };
  }

  /** Forgets all blocks. */
  clear(): void {
    this.#epoch += 1;
    this.#fresh = new IntervalSet();
    this.#marked.fill(0);
    writeFully(this.#descriptor, this.#marked, this.#offset);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function blockRange(block: number, size: number): ByteRange {
  return { start: block * BLOCK_BYTES, end: Math.min(size, (block + 1) * BLOCK_BYTES) };
}

/** The marks of a journal of this part; undefined for any other, torn or absent one. */
function readMarks(
  path: string,
  identity: PartIdentity,
  partBytes: number,
  boot: string,
): Uint8Array | undefined {
  const { size } = identity;
  const header = headerLine(identity);
  let descriptor: number;
  try {
    // O_NONBLOCK: opening a pipe for reading would wait for a writer.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    descriptor = openSync(path, flags);
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(descriptor).isFile()) return undefined;
    const found = Buffer.alloc(header.length + BOOT_BYTES);
    if (readSync(descriptor, found, 0, found.length, 0) < found.length) return undefined;
    if (!found.subarray(0, header.length).equals(header)) return undefined;
    const least = found.subarray(header.length).equals(bootLine(boot)) ? WRITTEN : DURABLE;
    const marked = new Uint8Array(blockCount(size));
    readSync(descriptor, marked, 0, marked.length, found.length);
    for (let block = 0; block < marked.length; block += 1) {
      const mark = marked[block]!;
      // A part that was truncated does not hold the blocks behind its end.
      if (mark < least || mark > DURABLE || blockRange(block, size).end > partBytes) marked[block] = 0;
    }
    return marked;
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

/** Stretches of blocks that bear this mark. */
function runsOf(marked: Uint8Array, mark: number): ByteRange[] {
  const runs: ByteRange[] = [];
  for (let start = marked.indexOf(mark); start >= 0; start = marked.indexOf(mark, start)) {
    const from = start;
    while (marked[start] === mark) start += 1;
    runs.push({ start: from, end: start });
  }
  return runs;
}
