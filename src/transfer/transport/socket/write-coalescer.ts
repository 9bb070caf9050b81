/** Bytes per write. */
const JOINED_BYTES = 512 * 1024;
/** Pieces of this size are written as they are: without TLS, a read brings up to a mebibyte. */
const LARGE_BYTES = 64 * 1024;

/** Where pieces belong, one after the other. */
export interface WriteTarget {
  /** Writes what has been joined. The bytes are only there during the call. Never throws. */
  put(bytes: Buffer): void;
}

/**
 * Joins pieces that follow one another into one write. TLS hands over 16 KiB at a time, and a call to the
 * system for each costs more than to copy them. One joiner serves all connections of a thread, which take
 * turns of many targets: the rest of one is written when another starts, or after all have had a turn.
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

  /** Writes what this owner has left, now. */
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
