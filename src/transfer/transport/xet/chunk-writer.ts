import type { XetHashes } from '../../../hash/xet-hash.ts';
import { IntervalSet } from '../../../model/interval-set.ts';
import type { XetLocation } from '../../../source/location.ts';
import { diskError } from '../../../system/disk/disk-error.ts';
import { writeFully } from '../../../system/disk/write-fully.ts';
import type { RangeJob, RangeObserver } from '../transport.ts';
import type { Placement } from './placement.ts';

/**
 * Writes chunks to every place of the window that they belong to, and reports them in the order of the window: what was
 * written ahead of its position is reported when the position gets there.
 */
export class ChunkWriter {
  readonly #job: RangeJob<XetLocation>;
  readonly #observer: RangeObserver;
  readonly #hashes: XetHashes;
  readonly #start: number;
  readonly #written = new IntervalSet();
  #wireBytes = 0;

  constructor(job: RangeJob<XetLocation>, observer: RangeObserver, hashes: XetHashes) {
    this.#job = job;
    this.#observer = observer;
    this.#hashes = hashes;
    this.#start = job.window.position;
  }

  get isDone(): boolean {
    const { position, end } = this.#job.window;
    return position >= end;
  }

  /** So many bytes came over the network. */
  received(bytes: number): void {
    this.#wireBytes += bytes;
  }

  /** Chunk number `index` of a fetch. Throws MalformedChunk, DISK, or what the observer throws. */
  put(chunk: Buffer, index: number, placement: Placement): void {
    const { window, fileSize } = this.#job;
    const offsets = placement.take(index, chunk.length);
    if (offsets.length === 0) return;
    const hash = this.#hashes.chunk(chunk);
    for (const offset of offsets) {
      const from = Math.max(offset, this.#start);
      const to = Math.min(offset + chunk.length, window.end, fileSize);
      if (from >= to) continue;
      this.#write(chunk.subarray(from - offset, to - offset), from);
      this.#written.add({ start: from, end: to });
      const { xorb } = placement.fetch;
      this.#observer.chunk?.({ offset, length: chunk.length, xorb, index, hash });
    }
    this.#report();
  }

  #write(bytes: Buffer, at: number): void {
    try {
      writeFully(this.#job.descriptor, bytes, at);
    } catch (error) {
      throw diskError(error, this.#job.path);
    }
  }

  #report(): void {
    const { window } = this.#job;
    const start = window.position;
    const reached = this.#written.prefixFrom(start);
    // The end may have come nearer while chunks were written.
    const end = Math.min(reached, window.end);
    if (end <= start) return;
    window.position = end;
    const wireBytes = this.#wireBytes;
    this.#wireBytes = 0;
    this.#observer.wrote({ start, end }, wireBytes);
  }
}
