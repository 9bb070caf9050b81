/** A bound on the bytes that requests hold at a time. Those that hold theirs longest give way. */
export class ByteBudget {
  readonly #max: number;
  /** In the order of time. */
  readonly #holders = new Set<{ readonly bytes: number; readonly drop: () => void }>();
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Holds bytes until the returned function is called. `drop` ends the request if others need the memory. */
  hold(bytes: number, drop: () => void): () => void {
    const holder = { bytes, drop };
    for (const oldest of this.#holders) {
      if (this.#held + bytes <= this.#max) break;
      this.#release(oldest);
      oldest.drop();
    }
    this.#holders.add(holder);
    this.#held += bytes;
    return () => this.#release(holder);
  }

  #release(holder: { readonly bytes: number; readonly drop: () => void }): void {
    if (this.#holders.delete(holder)) this.#held -= holder.bytes;
  }
}
