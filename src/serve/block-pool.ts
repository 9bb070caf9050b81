/** Memory for a part of a file, from read to sent. */
export interface Block {
  readonly bytes: Buffer;
  /** Gives it back. The bytes may be overwritten from then on. */
  release(): void;
}

/** Large enough that the calls do not matter, small enough for the caches of a processor. */
const LARGE_BYTES = 512 * 1024;
const SMALL_BYTES = 16 * 1024;
/** Of all answers together: 24 MiB. The others get small blocks, as memory must not follow the number of clients. */
const MAX_LARGE = 48;
/** Small blocks that are kept for the next answers. */
const MAX_KEPT = 256;

/** The memory that files are sent from. Blocks are used again, as garbage of this size costs more than the calls. */
export class BlockPool {
  readonly #large: Buffer[] = [];
  readonly #small: Buffer[] = [];
  readonly #maxLarge: number;
  #usedLarge = 0;

  constructor(maxLarge: number = MAX_LARGE) {
    this.#maxLarge = maxLarge;
  }

  /** A block for up to `wanted` bytes; a small one if no more are wanted, or if too many large ones are in use. */
  take(wanted: number): Block {
    if (wanted <= SMALL_BYTES || this.#usedLarge >= this.#maxLarge) {
      const bytes = this.#small.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
      return blockOf(bytes, () => {
        if (this.#small.length < MAX_KEPT) this.#small.push(bytes);
      });
    }
    this.#usedLarge += 1;
    const bytes = this.#large.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
    return blockOf(bytes, () => {
      this.#usedLarge -= 1;
      this.#large.push(bytes);
    });
  }
}

/** Releasing twice would give the same memory to two answers. */
function blockOf(bytes: Buffer, release: () => void): Block {
  let isReleased = false;
  return {
    bytes,
    release: () => {
      if (!isReleased) release();
      isReleased = true;
    },
  };
}
