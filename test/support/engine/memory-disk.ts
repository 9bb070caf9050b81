import type { ByteRange } from '../../../src/model/byte-range.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { Random } from '../../../src/system/clock.ts';
import { Content } from './content.ts';

const MIB = 1024 * 1024;
/** The journal knows whole blocks only. */
const BLOCK_BYTES = MIB;

/** How a run ends that does not end itself. */
export type Crash =
  /** The process is gone: the journal is there, of bytes that it does not name some are lost. */
  | 'kill'
  /** And some bytes that the journal names were never written: only their digest tells. */
  | 'power cut';

/** A part with its journal. */
export interface MemoryPart {
  readonly content: Content;
  /** What a later run may count on. */
  journal: IntervalSet;
}

/** Another file on this machine. Its byte `shift` is the first one of a file of the revision. */
export interface LocalFile {
  readonly content: Content;
  readonly shift: number;
}

/** Files under their final names and parts, with all that outlives a run. */
export class MemoryDisk {
  readonly finals: Map<string, Content> = new Map<string, Content>();
  readonly parts: Map<string, MemoryPart> = new Map<string, MemoryPart>();
  /** Other files on this machine, by absolute path: copies of files of the revision, or of parts of them. */
  readonly others: Map<string, LocalFile> = new Map<string, LocalFile>();
  /** Files whose digest is on record. */
  readonly records: Set<string> = new Set<string>();
  /** Parts that are open, by descriptor. */
  readonly descriptors: Map<number, MemoryPart> = new Map<number, MemoryPart>();
  /** Every file that got its final name with a wrong byte in it. */
  readonly wrongNames: string[] = [];
  /** So many times no file can be opened. */
  shortages = 0;
  /** So many times a file that has its final name cannot be put on record. */
  recordShortages = 0;
  /** So many times a flush fails. */
  failedFlushes = 0;
  #descriptor = 100;

  open(path: string, size: number): { part: MemoryPart; descriptor: number } {
    let part = this.parts.get(path);
    if (part === undefined || size <= BLOCK_BYTES)
      part = { content: new Content(path, size), journal: new IntervalSet() };
    this.parts.set(path, part);
    this.#descriptor += 1;
    this.descriptors.set(this.#descriptor, part);
    return { part, descriptor: this.#descriptor };
  }

  /** Puts whole blocks of what is there on record, as far as the write touched them. */
  record(part: MemoryPart, { start, end }: ByteRange, received: IntervalSet): void {
    const { size } = part.content;
    if (size <= BLOCK_BYTES) return;
    const first = Math.floor(start / BLOCK_BYTES) * BLOCK_BYTES;
    for (let from = first; from < end; from += BLOCK_BYTES) {
      const block = { start: from, end: Math.min(size, from + BLOCK_BYTES) };
      if (received.covers(block)) part.journal.add(block);
    }
  }

  rename(path: string): void {
    const part = this.parts.get(path);
    if (part === undefined) return;
    this.parts.delete(path);
    this.finals.set(path, part.content);
    if (!part.content.isRight) this.wrongNames.push(`${path}: ${part.content}`);
  }

  /** What the next run finds. The run that is dead cannot reach it. */
  afterCrash(crash: Crash, random: Random): MemoryDisk {
    const next = new MemoryDisk();
    for (const [path, content] of this.finals) next.finals.set(path, content.copy());
    for (const path of this.records) next.records.add(path);
    for (const [path, other] of this.others) next.others.set(path, other);
    next.wrongNames.push(...this.wrongNames);
    for (const [path, { content, journal }] of this.parts) {
      const copy = content.copy();
      const doubtful = crash === 'power cut' ? [...journal.ranges] : [];
      for (const range of [...journal.gaps(content.size), ...doubtful]) {
        if (random() < 0.5) copy.write(range, 'hole');
      }
      next.parts.set(path, { content: copy, journal: new IntervalSet(journal.ranges) });
    }
    next.shortages = this.shortages;
    next.recordShortages = this.recordShortages;
    next.failedFlushes = this.failedFlushes;
    return next;
  }
}
