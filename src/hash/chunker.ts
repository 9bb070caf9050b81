import { Hasher } from 'gearhash-jit';
import { MAX_CHUNK_BYTES } from '../model/chunks.ts';

/** As the Xet protocol fixes it. */
export const MIN_CHUNK_BYTES: number = 8 * 1024;
/** The hash looks back over so many bytes. */
const WINDOW_BYTES = 64;
/** The first bytes of a chunk are not hashed: nothing may end there, and the window fills up behind them. */
const SKIPPED_BYTES = MIN_CHUNK_BYTES - WINDOW_BYTES - 1;
/** A chunk ends where the upper 16 bits of the hash are zero: on average after 64 KiB. */
const MASK = 0xffff_0000_0000_0000n;

/** Finds the chunks of a file as the uploaders of Xet do: their ends depend on the content, not on offsets. */
export class Chunker {
  readonly #hasher = new Hasher(MASK);
  /** Of the chunk under way. */
  #length = 0;

  /** The next bytes of the file, in pieces of any size. `found` receives the length of each chunk that ends in them. */
  push(bytes: Uint8Array, found: (length: number) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const skip = Math.min(SKIPPED_BYTES - this.#length, bytes.length - at);
      if (skip > 0) {
        this.#length += skip;
        at += skip;
        continue;
      }
      const end = Math.min(bytes.length, at + MAX_CHUNK_BYTES - this.#length);
      const match = this.#hasher.nextMatch(bytes.subarray(at, end));
      const step = match < 0 ? end - at : match;
      this.#length += step;
      at += step;
      // A match this early depends on bytes before the window; the hash goes on over it.
      const ends = match >= 0 && this.#length >= MIN_CHUNK_BYTES;
      if (ends || this.#length === MAX_CHUNK_BYTES) this.#end(found);
    }
  }

  /** The file has ended: so has its last chunk. */
  finish(found: (length: number) => void): void {
    if (this.#length > 0) this.#end(found);
  }

  #end(found: (length: number) => void): void {
    found(this.#length);
    this.#length = 0;
    this.#hasher.resetHash();
  }
}
