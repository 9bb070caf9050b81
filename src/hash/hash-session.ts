import { closeSync, openSync, readSync } from 'node:fs';
import type { ContentDigests } from '../model/digest.ts';
import { lacksDescriptor } from '../system/descriptor-shortage.ts';
import { ContentHash } from './content-hash.ts';

/** Bytes per read: small enough to be in the processor's cache when they are hashed. */
const READ_BYTES = 64 * 1024;
/** One per thread: sessions take turns. */
let buffer = Buffer.alloc(0);

/**
 * Hashes a file while it is being written: it reads completed bytes back, usually from the page cache. Reads are
 * synchronous, so it needs a thread of its own.
 */
export class HashSession {
  readonly #path: string;
  /** Undefined while this process has no free descriptor. */
  #descriptor: number | undefined;
  readonly #size: number;
  readonly #git: boolean;
  #hash: ContentHash;
  #position = 0;

  constructor(path: string, size: number, git: boolean) {
    this.#path = path;
    this.#size = size;
    this.#git = git;
    const needed = Math.min(size, READ_BYTES);
    if (buffer.length < needed) buffer = Buffer.allocUnsafeSlow(needed);
    this.#hash = new ContentHash(size, { git });
    this.#open();
  }

  /** Hashes up to `end`; all bytes before it must be final. Without a descriptor, the next call makes up for it. */
  advance(end: number): void {
    if (this.#open()) this.#hashTo(end);
  }

  #hashTo(end: number): void {
    this.#descriptor ??= openSync(this.#path, 'r');
    while (this.#position < end) {
      const wanted = Math.min(buffer.length, end - this.#position);
      const read = readSync(this.#descriptor, buffer, 0, wanted, this.#position);
      if (read === 0) throw new Error(`it ends at ${this.#position}, before ${end}`);
      this.#hash.update(buffer.subarray(0, read));
      this.#position += read;
    }
  }

  restart(): void {
    this.#hash = new ContentHash(this.#size, { git: this.#git });
    this.#position = 0;
  }

  /** Hashes the rest. Afterwards the session can only be restarted or closed. */
  finish(): ContentDigests {
    this.#hashTo(this.#size);
    return this.#hash.digests();
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  #open(): boolean {
    try {
      this.#descriptor ??= openSync(this.#path, 'r');
      return true;
    } catch (error) {
      if (lacksDescriptor(error)) return false;
      throw error;
    }
  }
}
