import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { SourceThatCan } from '../../source/source.ts';
import type { ResponseCache } from '../../store/records/response-cache.ts';

/** Requests of all kinds at the same time. */
const MAX_REQUESTS = 16;

interface Listed {
  readonly path: string;
  readonly size: number;
  readonly digest: RemoteFile['digest'] | null;
}

/**
 * Reads listings and small pieces of files, each once. Contents are keyed by their hash, so branches that share a file share
 * the response, and with a cache later runs do too.
 */
export class CachedReader {
  readonly #source: SourceThatCan<'read'>;
  readonly #cache: ResponseCache | undefined;
  readonly #scope: string;
  readonly #signal: AbortSignal;
  readonly #limit = pLimit(MAX_REQUESTS);
  readonly #listings = new Map<string, Promise<readonly RemoteFile[]>>();
  readonly #pieces = new Map<string, Promise<Uint8Array>>();

  /** `scope` keeps the cached listings of different servers apart. */
  constructor(
    source: SourceThatCan<'read'>,
    cache: ResponseCache | undefined,
    scope: string,
    signal: AbortSignal,
  ) {
    this.#source = source;
    this.#cache = cache;
    this.#scope = scope;
    this.#signal = signal;
  }

  /** Branches that point to one commit share its listing. */
  list(revision: Revision): Promise<readonly RemoteFile[]> {
    let listing = this.#listings.get(revision.id);
    if (listing === undefined) {
      listing = this.#listOnce(revision);
      this.#listings.set(revision.id, listing);
    }
    return listing;
  }

  async #listOnce(revision: Revision): Promise<readonly RemoteFile[]> {
    const key = `tree 1 ${this.#scope} ${revision.repo.type} ${revision.repo.id} ${revision.id}`;
    const known = parseListing(this.#cache?.get(key));
    if (known !== undefined) return known;
    const files = await this.#limit(async () => {
      const listed: RemoteFile[] = [];
      for await (const file of this.#source.list(revision, this.#signal)) listed.push(file);
      return listed;
    });
    await this.#cache?.put(key, JSON.stringify(files));
    return files;
  }

  /** Bytes `[start, end)` of a file. */
  read(revision: Revision, file: RemoteFile, start: number, end: number): Promise<Uint8Array> {
    const content = file.digest?.hex ?? `${revision.id} ${file.path}`;
    const key = `piece 1 ${this.#scope} ${content} ${start} ${end}`;
    let piece = this.#pieces.get(key);
    if (piece === undefined) {
      piece = this.#readOnce(key, revision, file, { start, end });
      this.#pieces.set(key, piece);
    }
    return piece;
  }

  async #readOnce(key: string, revision: Revision, file: RemoteFile, range: ByteRange): Promise<Uint8Array> {
    const known = this.#cache?.get(key);
    if (known !== undefined && isRightContent(known, file, range)) return known;
    const bytes = await this.#limit(() => this.#source.read(revision, file, range, this.#signal));
    if (!isRightContent(bytes, file, range)) {
      throw new FetchError('INTEGRITY', `${file.path} does not have the hash that it is listed with`, {
        hint: 'The server or a proxy on the way damages the file. Try again later or over another network.',
      });
    }
    await this.#cache?.put(key, bytes);
    return bytes;
  }
}

/** A whole small file must match its hash; of a range only the length can be checked. */
function isRightContent(bytes: Uint8Array, file: RemoteFile, { start, end }: ByteRange): boolean {
  if (bytes.length !== Math.min(end, file.size) - start) return false;
  if (start > 0 || end < file.size || file.digest === undefined) return true;
  const { algorithm, hex } = file.digest;
  const hash =
    algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${file.size}\0`);
  return hash.update(bytes).digest('hex') === hex;
}

/** Undefined for text that this version did not write. */
function parseListing(bytes: Buffer | undefined): readonly RemoteFile[] | undefined {
  if (bytes === undefined) return undefined;
  try {
    const list = JSON.parse(bytes.toString('utf8')) as Listed[];
    const usable = list.every(
      ({ path, size, digest }) =>
        typeof path === 'string' &&
        Number.isSafeInteger(size) &&
        (digest === undefined || digest === null || typeof digest.hex === 'string'),
    );
    return usable
      ? list.map(({ path, size, digest }) => ({ path, size, digest: digest ?? undefined }))
      : undefined;
  } catch {
    return undefined;
  }
}
