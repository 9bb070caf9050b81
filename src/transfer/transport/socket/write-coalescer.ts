/** Maximum of bytes per write. */
const JOINED_BYTES = 512 * 1024;
/** Chunks of at least this size are written as they are: without TLS, a read brings up to a mebibyte. */
const LARGE_BYTES = 64 * 1024;

/** Where consecutive chunks are written. */
export interface WriteTarget {
  /** Writes the joined bytes. They are only valid during the call. Never throws. */
  put(bytes: Buffer): void;
}

/**
 * Joins consecutive chunks into one write. TLS delivers 16 KiB at a time, and a system call for each costs more than
 * copying them. One coalescer serves all connections of a thread: the rest of one target is written when another one
 * starts, or at the end of this turn of the event loop.
 */
export class WriteCoalescer {
  #buffer: Buffer | undefined;
  #length = 0;
  #owner: WriteTarget | undefined;
  #flushing: NodeJS.Immediate | undefined;

  add(owner: WriteTarget, piece: Buffer): void {
    const large = piece.length >= LARGE_BYTES;
    if (large || this.#owner !== owner || this.#length + piece.length > JOINED_BYTES) this.#put();
    if (large) {
      owner.put(piece);
      return;
    }
    this.#buffer ??= Buffer.allocUnsafeSlow(JOINED_BYTES);
    this.#owner = owner;
    this.#length += piece.copy(this.#buffer, this.#length);
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      this.#put();
    });
  }

  /** Writes what is left of this owner now. */
  flush(owner: WriteTarget): void {
    if (this.#owner === owner) this.#put();
  }

  #put(): void {
    const owner = this.#owner;
    const length = this.#length;
    this.#owner = undefined;
    this.#length = 0;
    if (owner !== undefined && length > 0) owner.put(this.#buffer!.subarray(0, length));
  }
}
