import type { ByteRange } from '../../../src/model/byte-range.ts';
import { FetchError } from '../../../src/model/error.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { Holding } from '../../../src/model/plan.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { StagedFile, Store, Survey } from '../../../src/store/store.ts';
import type { Clock } from '../../../src/system/clock.ts';
import type { MemoryDisk, MemoryPart } from './memory-disk.ts';

const FINAL = '/final/';
const PART = '/part/';
/** Of a flush, a rename, or a record. */
const DISK_MS = 2;

/** A store over a memory disk, with the promises of store.ts. Each step of a commit takes a moment. */
export class MemoryStore implements Store {
  readonly directory: string = FINAL;
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;

  constructor(disk: MemoryDisk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  async refuseNames(): Promise<void> {}
  async open(): Promise<void> {}
  async publish(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}

  async survey(files: readonly RemoteFile[]): Promise<Survey> {
    return { holdings: new Map(files.map((file) => [file.path, this.#holding(file)])), freeBytes: undefined };
  }

  #holding({ path, size }: RemoteFile): Holding {
    const final = this.#disk.finals.get(path);
    const part = this.#disk.parts.get(path)?.journal.ranges.map((range) => ({ ...range })) ?? [];
    if (final === undefined) return part.length === 0 ? { kind: 'nothing' } : { kind: 'part', part };
    if (this.#disk.records.has(path)) return { kind: 'whole' };
    return { kind: final.size === size ? 'candidate' : 'different', part };
  }

  finalPath({ path }: RemoteFile): string {
    return FINAL + path;
  }

  candidatePath({ path }: RemoteFile): string {
    return FINAL + path;
  }

  async stage({ path, size }: RemoteFile): Promise<StagedFile> {
    await this.#moment();
    if (this.#disk.shortages > 0) {
      this.#disk.shortages -= 1;
      const cause = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      throw new FetchError('DISK', `${path}: too many files are open`, { cause });
    }
    return new MemoryStagedFile(path, size, this.#disk, () => this.#moment());
  }

  async adopt({ path }: RemoteFile): Promise<void> {
    await this.#moment();
    this.#disk.records.add(path);
  }

  async #moment(): Promise<void> {
    await new Promise<void>((resolve) => void this.#clock.after(DISK_MS, resolve));
  }
}

class MemoryStagedFile implements StagedFile {
  readonly partPath: string;
  readonly descriptor: number;
  readonly received: IntervalSet;
  readonly #path: string;
  readonly #disk: MemoryDisk;
  readonly #part: MemoryPart;
  readonly #moment: () => Promise<void>;

  constructor(path: string, size: number, disk: MemoryDisk, moment: () => Promise<void>) {
    this.partPath = PART + path;
    this.#path = path;
    this.#disk = disk;
    this.#moment = moment;
    const { part, descriptor } = disk.open(path, size);
    this.#part = part;
    this.descriptor = descriptor;
    this.received = new IntervalSet(part.journal.ranges);
  }

  wrote(range: { start: number; end: number }): number {
    if (!this.#isOpen) return 0;
    const added = this.received.add(range);
    this.#disk.record(this.#part, range, this.received);
    return added;
  }

  restart(ranges?: readonly ByteRange[]): void {
    this.#mustBeOpen();
    const all = ranges ?? [...this.received.ranges];
    for (const range of all) for (const set of [this.received, this.#part.journal]) set.remove(range);
  }

  async commit(): Promise<void> {
    this.#mustBeOpen();
    await this.#moment();
    if (this.#disk.failedFlushes > 0) {
      this.#disk.failedFlushes -= 1;
      this.#part.journal.clear();
      throw new FetchError('DISK', `${this.#path}: the disk has lost what was written`);
    }
    this.#close();
    this.#disk.rename(this.#path);
    await this.#moment();
    this.#disk.records.add(this.#path);
  }

  async discard(): Promise<void> {
    this.#close();
    await this.#moment();
    this.#disk.parts.delete(this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#close();
    if (this.#part.journal.size === 0) this.#disk.parts.delete(this.#path);
  }

  get #isOpen(): boolean {
    return this.#disk.descriptors.has(this.descriptor);
  }

  #close(): void {
    this.#disk.descriptors.delete(this.descriptor);
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw new FetchError('BUG', `${this.partPath} is not open any more`);
  }
}

/** The file that a path of this store names. */
export function contentAt(disk: MemoryDisk, path: string): MemoryPart['content'] {
  const content = path.startsWith(PART)
    ? disk.parts.get(path.slice(PART.length))?.content
    : disk.finals.get(path.slice(FINAL.length));
  if (content === undefined) throw new FetchError('DISK', `${path} is not there`);
  return content;
}
