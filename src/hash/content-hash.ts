import { createHash, type Hash } from 'node:crypto';
import type { ContentDigests } from '../model/digest.ts';

/**
 * The hashes of content that arrives in order: always sha256; also the git blob id, sha1 over `blob <size>\0` and the
 * content, if the Hub identifies the file by it.
 */
export class ContentHash {
  readonly #sha256: Hash = createHash('sha256');
  readonly #gitSha1: Hash | undefined;

  constructor(size: number, options: { readonly git: boolean }) {
    this.#gitSha1 = options.git ? createHash('sha1').update(`blob ${size}\0`) : undefined;
  }

  update(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    this.#gitSha1?.update(bytes);
  }

  digests(): ContentDigests {
    return { sha256: this.#sha256.digest('hex'), gitSha1: this.#gitSha1?.digest('hex') };
  }
}
