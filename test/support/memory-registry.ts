import { createHash } from 'node:crypto';
import { formatRange } from '../../src/http/range.ts';
import type { ByteRange } from '../../src/model/byte-range.ts';
import { FetchError } from '../../src/model/error.ts';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import type { RepoRef, Revision } from '../../src/model/repo.ts';
import type { HttpLocation } from '../../src/source/location.ts';
import type { SourceWith } from '../../src/source/source.ts';
import { retrying } from '../../src/system/retry.ts';
import { randomNumbers } from './hub/faults/script.ts';
import { InstantClock } from './manual-clock.ts';
import { serveHttp, type TestServer } from './server.ts';

/** By repository and tag: the files of a made-up registry. */
export type RegistryContent = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, Buffer>>>>>
>;

interface RegistryTraits {
  readonly branches: false;
  readonly scan: false;
  readonly read: true;
  readonly reconstruct: false;
}

/**
 * A source that is as unlike the Hub as the interface allows: tags instead of branches, manifests whose sha256 is the
 * id, no scans. Manifests are in memory; the bytes of files are served by HTTP, as the contract wants them.
 */
export class MemoryRegistry implements SourceWith<RegistryTraits>, AsyncDisposable {
  readonly kind = 'memory';
  readonly traits: RegistryTraits = { branches: false, scan: false, read: true, reconstruct: false };
  readonly #content: RegistryContent;
  readonly #server: TestServer;
  readonly #blobs = new Map<string, Buffer>();
  readonly #clock = new InstantClock();
  readonly #random = randomNumbers(7);
  /** Questions so far. */
  requests = 0;
  #failures = 0;
  #stalls = 0;

  private constructor(content: RegistryContent, server: TestServer, blobs: Map<string, Buffer>) {
    this.#content = content;
    this.#server = server;
    this.#blobs = blobs;
  }

  static async open(content: RegistryContent): Promise<MemoryRegistry> {
    const tags = Object.values(content).flatMap((repo) => Object.values(repo));
    const files = tags.flatMap((tag) => Object.values(tag));
    const blobs = new Map(files.map((bytes): [string, Buffer] => [sha256(bytes), bytes]));
    const server = await serveHttp((request, response) => {
      const bytes = blobs.get(request.url?.replace('/blobs/', '') ?? '');
      const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      if (bytes === undefined || match === null) {
        response.writeHead(404).end();
        return;
      }
      const part = bytes.subarray(Number(match[1]), Number(match[2]) + 1);
      const range = formatRange({ start: Number(match[1]), end: Number(match[1]) + part.length });
      response.writeHead(206, { 'content-range': `${range.replace('=', ' ')}/${bytes.length}` }).end(part);
    });
    return new MemoryRegistry(content, server, blobs);
  }

  failNext(times: number): void {
    this.#failures = times;
  }

  stallNext(): void {
    this.#stalls = 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision> {
    return this.#retrying(signal, () => {
      const tags = Object.entries(this.#content[repo.id] ?? {});
      const found = tags.find(([tag, files]) => tag === revision || manifestId(files) === revision);
      if (found === undefined) throw missing(`${repo.id} has no tag "${revision}"`);
      return { repo, name: revision, id: manifestId(found[1]), gated: false };
    });
  }

  async *list(revision: Revision, signal: AbortSignal): AsyncGenerator<RemoteFile> {
    yield* await this.#retrying(signal, () =>
      Object.entries(this.#filesOf(revision)).map(
        ([path, bytes]): RemoteFile => ({
          path,
          size: bytes.length,
          digest: { algorithm: 'sha256', hex: sha256(bytes) },
        }),
      ),
    );
  }

  async locate(revision: Revision, { path }: RemoteFile, signal: AbortSignal): Promise<HttpLocation> {
    await this.#ask(signal);
    const bytes = this.#filesOf(revision)[path];
    if (bytes === undefined) throw missing(`${revision.repo.id} has no file "${path}"`);
    const url = `${this.#server.origin}/blobs/${sha256(bytes)}`;
    return { kind: 'http', url, authorization: undefined, expiresAt: undefined, ranges: 'any' };
  }

  read(_: Revision, { digest }: RemoteFile, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    return this.#retrying(signal, () => {
      const bytes = this.#blobs.get(digest?.hex ?? '');
      if (bytes === undefined) throw missing('no such blob');
      return bytes.subarray(range.start, range.end);
    });
  }

  #filesOf({ repo, id }: Revision): Readonly<Record<string, Buffer>> {
    const tags = Object.values(this.#content[repo.id] ?? {});
    const files = tags.find((tag) => manifestId(tag) === id);
    if (files === undefined) throw missing(`${repo.id} has no manifest ${id}`);
    return files;
  }

  async #retrying<T>(signal: AbortSignal, answer: () => T): Promise<T> {
    return await retrying(
      async () => {
        await this.#ask(signal);
        return answer();
      },
      {
        policy: { tries: 4, baseDelayMs: 100, maxDelayMs: 1000, maxServerDelayMs: 1000 },
        clock: this.#clock,
        random: this.#random,
        signal,
        onRetry: () => {},
      },
    );
  }

  /** One request: it fails or is never answered where the test wants that. */
  async #ask(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.requests += 1;
    if (this.#stalls > 0) {
      this.#stalls -= 1;
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    if (this.#failures > 0) {
      this.#failures -= 1;
      throw new FetchError('NETWORK', 'the registry answered 503', { retryable: true });
    }
  }
}

/** The id of a revision: the digest of a manifest that names every file and its digest. */
function manifestId(files: Readonly<Record<string, Buffer>>): string {
  const layers = Object.entries(files).map(([path, bytes]) => ({ path, digest: sha256(bytes) }));
  return `sha256:${sha256(Buffer.from(JSON.stringify({ layers })))}`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function missing(message: string): FetchError {
  return new FetchError('NOT_FOUND', message);
}
