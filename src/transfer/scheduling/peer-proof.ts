import { SMALL_FILE_BYTES } from './segment.ts';

/** So long other files wait for the one that proves a peer, in milliseconds: its last request may be a slow one. */
const MAX_WAIT_MS = 2000;

/** Whether a file is large enough to tell something of the peers that sent it: a small one that is spoilt costs little. */
export function proves(fileBytes: number): boolean {
  return fileBytes > SMALL_FILE_BYTES;
}

/**
 * Which big files peers may send bytes of. One that has not been proven sends one of them at a time: one that lies in each file
 * spoils one. It is proven when a big file with bytes of it has matched its hash. Peers and files are numbers of the caller;
 * times are arguments, in milliseconds of one clock.
 */
export class PeerProof {
  readonly #proven = new Set<number>();
  /** The file by which a peer is being proven, and since when other files wait for that. */
  readonly #proofs = new Map<number, { readonly file: number; waitsSince: number | undefined }>();

  /** Whether a peer can be asked for a file now. */
  allows(peer: number, file: number, fileBytes: number, now: number): boolean {
    const proof = this.#proofs.get(peer);
    if (!proves(fileBytes) || proof === undefined || proof.file === file) return true;
    proof.waitsSince ??= now;
    return now - proof.waitsSince >= MAX_WAIT_MS;
  }

  /** A peer is asked for a file. */
  began(peer: number, file: number, fileBytes: number): void {
    if (!proves(fileBytes) || this.#proven.has(peer) || this.#proofs.has(peer)) return;
    this.#proofs.set(peer, { file, waitsSince: undefined });
  }

  /** A file has matched its hash with bytes of this peer. */
  matched(peer: number, fileBytes: number): void {
    if (!proves(fileBytes)) return;
    this.#proven.add(peer);
    this.#proofs.delete(peer);
  }

  /** Nothing more comes of a file. */
  settled(file: number): void {
    for (const [peer, proof] of this.#proofs) if (proof.file === file) this.#proofs.delete(peer);
  }
}
