import type { ByteRange } from '../model/byte-range.ts';
import { IntervalSet } from '../model/interval-set.ts';

/** Which bytes of one file came from which peer, so that a wrong file tells who lied. Peers are numbers of the caller. */
export class PeerShares {
  readonly #shares = new Map<number, IntervalSet>();
  readonly #peers = new Set<number>();
  #examined: number | undefined;

  add(peer: number, range: ByteRange): void {
    const share = this.#shares.get(peer) ?? new IntervalSet();
    share.add(range);
    this.#shares.set(peer, share);
    this.#peers.add(peer);
  }

  /** Bytes that came from peers and stayed. */
  get bytes(): number {
    let sum = 0;
    for (const { size } of this.#shares.values()) sum += size;
    return sum;
  }

  /** Every peer that ever sent bytes of the file. */
  get peers(): ReadonlySet<number> {
    return this.#peers;
  }

  /** Those whose bytes are in the file. */
  get remaining(): Iterable<number> {
    return this.#shares.keys();
  }

  /**
   * For a file that is right now: the peer whose bytes were fetched again last sent wrong ones, because with them the file
   * was wrong, and without them it is right. Undefined if no peer is to blame.
   */
  get culprit(): number | undefined {
    return this.#examined;
  }

  /**
   * For a file that is wrong: the bytes of one peer, to be fetched again from the source. The peer with the fewest goes
   * first. Undefined if no bytes of peers are left.
   */
  examine(): readonly ByteRange[] | undefined {
    this.#examined = undefined;
    const [first, ...others] = this.#shares;
    if (first === undefined) return undefined;
    const [peer, share] = others.reduce((least, one) => (one[1].size < least[1].size ? one : least), first);
    this.#shares.delete(peer);
    this.#examined = peer;
    return share.ranges;
  }

  /** Every byte of the file was given up. */
  clear(): void {
    this.#shares.clear();
    this.#examined = undefined;
  }
}
