import type { PeerStatus } from '../source/source.ts';
import type { Clock } from '../system/clock.ts';

/** How often an unfinished peer is asked what it has; the more peers, the less often. In milliseconds. */
const POLL_MS = 250;
const POLL_MS_PER_PEER = 40;
/** At first, runs that begin together learn of each other. */
const FIRST_POLL_MS = 100;
const FIRST_MS = 2000;
/** Large answers are asked for less often: at most this many bytes in a millisecond. */
const BYTES_PER_MS = 1000;
/** A peer that has nothing of the revision may begin with it: asked again after this time, and less and less often. */
const ASK_AGAIN_MS = 100;
const MAX_ASK_AGAIN_MS = 5000;

/** Times at which peers are asked again. */
export class PeerWatch {
  readonly #clock: Clock;
  readonly #count: number;
  readonly #beganAt: number;
  readonly #cancels = new Map<number, () => void>();
  readonly #delays = new Map<number, number>();
  #ended = false;

  constructor(clock: Clock, count: number) {
    this.#clock = clock;
    this.#count = count;
    this.#beganAt = clock.monotonic();
  }

  /** Calls back when an unfinished peer that gave this answer is to be asked again. */
  poll(peer: number, { files }: PeerStatus, ask: () => void): void {
    this.#delays.delete(peer);
    const isFirst = this.#clock.monotonic() - this.#beganAt < FIRST_MS;
    const usual = isFirst ? FIRST_POLL_MS : POLL_MS;
    this.#after(peer, Math.max(usual, POLL_MS_PER_PEER * this.#count, sizeOf(files) / BYTES_PER_MS), ask);
  }

  /** Calls back when a peer that has nothing of the revision is to be asked again. */
  again(peer: number, ask: () => void): void {
    const delay = this.#delays.get(peer) ?? ASK_AGAIN_MS;
    this.#delays.set(peer, Math.min(MAX_ASK_AGAIN_MS, 1.5 * delay));
    this.#after(peer, delay, ask);
  }

  end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }

  /** One at a time for each peer. */
  #after(peer: number, delayMs: number, ask: () => void): void {
    if (this.#ended) return;
    this.#cancels.get(peer)?.();
    this.#cancels.set(peer, this.#clock.after(delayMs, ask));
  }
}

/** About how many bytes an answer with these files had. */
function sizeOf(files: PeerStatus['files']): number {
  let bytes = 0;
  for (const { written } of files.values()) bytes += 50 + (written === 'all' ? 0 : 25 * written.length);
  return bytes;
}
