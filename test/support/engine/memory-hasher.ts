import type { Hasher, IncrementalHash } from '../../../src/hash/hash-pool.ts';
import type { ContentDigests } from '../../../src/model/digest.ts';
import type { Clock, Random } from '../../../src/system/clock.ts';
import { Content } from './content.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { contentAt } from './memory-store.ts';

/** Maximum time to read what an incremental hash was told about. */
const READ_MS = 40;

/**
 * Reads what is there at the moment when it reads, some time after it was told to, and never again: what is written
 * there later is not in the hash.
 */
export class MemoryHasher implements Hasher {
  /** By all who follow a file. */
  bytesRead = 0;
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(disk: MemoryDisk, clock: Clock, random: Random) {
    this.#disk = disk;
    this.#clock = clock;
    this.#random = random;
  }

  follow(path: string): IncrementalHash {
    return new MemoryFollower(contentAt(this.#disk, path), this.#clock, this.#random, (bytes) => {
      this.bytesRead += bytes;
    });
  }

  async check(path: string, _size: number, _options: unknown, signal: AbortSignal): Promise<ContentDigests> {
    await this.#clock.sleep(this.#random() * READ_MS, signal);
    return contentAt(this.#disk, path).digests();
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class MemoryFollower implements IncrementalHash {
  readonly #content: Content;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onRead: (bytes: number) => void;
  #read: Content;
  #readTo = 0;
  #toldTo = 0;
  #cancel: (() => void) | undefined;

  constructor(content: Content, clock: Clock, random: Random, onRead: (bytes: number) => void) {
    this.#onRead = onRead;
    this.#content = content;
    this.#clock = clock;
    this.#random = random;
    this.#read = new Content(content.name, content.size);
  }

  advance(end: number): void {
    this.#toldTo = Math.max(this.#toldTo, end);
    this.#cancel ??= this.#clock.after(this.#random() * READ_MS, () => {
      this.#cancel = undefined;
      this.#readUpTo(this.#toldTo);
    });
  }

  restart(): void {
    this.close();
    this.#read = new Content(this.#content.name, this.#content.size);
    this.#readTo = 0;
    this.#toldTo = 0;
  }

  async digests(signal: AbortSignal = new AbortController().signal): Promise<ContentDigests> {
    await this.#clock.sleep(this.#random() * READ_MS, signal);
    this.close();
    this.#readUpTo(this.#content.size);
    return this.#read.digests();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #readUpTo(end: number): void {
    if (end <= this.#readTo) return;
    for (const run of this.#content.read({ start: this.#readTo, end })) this.#read.write(run, run.bytes);
    this.#onRead(end - this.#readTo);
    this.#readTo = end;
  }
}
