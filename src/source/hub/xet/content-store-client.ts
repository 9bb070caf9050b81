import { discard, readStart, readText } from '../../../http/body.ts';
import type { HttpResponse } from '../../../http/client.ts';
import { authorizeOrigin, followRedirects } from '../../../http/follow-redirects.ts';
import { formatRange } from '../../../http/range.ts';
import { REFUSAL_BYTES, storageError } from '../../../http/refusal.ts';
import { type ByteRange, rangeLength } from '../../../model/byte-range.ts';
import { FetchError } from '../../../model/error.ts';
import type { RemoteFile } from '../../../model/remote-file.ts';
import type { Revision } from '../../../model/repo.ts';
import type { XetLocation } from '../../location.ts';
import type { HubConnection } from '../hub-api.ts';
import type { RequestSubject } from '../hub-error.ts';
import { MalformedReconstruction, parseReconstruction } from './parse-reconstruction.ts';
import { type XetToken, XetTokenClient } from './token-client.ts';

/** An answer of version 2 takes about 300 bytes for a chunk of 64 kB, where every chunk is apart. */
const JSON_BYTES_PER_KB = 64;
const MIN_JSON_BYTES = 1024 * 1024;
const MAX_JSON_BYTES = 64 * 1024 * 1024;
/** Statuses that say that this version of the interface is not there. */
const NO_SUCH_VERSION = new Set([404, 501]);

const HINT = 'Use --protocol http: the file comes without the content store.';

/** Asks the content store which chunks a range of a file has, and where they are. Retries nothing but an ended token. */
export class ContentStoreClient {
  readonly #hub: HubConnection;
  readonly #tokens: XetTokenClient;
  /** Addresses of stores that turned out to have version 1 only. */
  readonly #versionOneOnly = new Set<string>();

  constructor(hub: HubConnection) {
    this.#hub = hub;
    this.#tokens = new XetTokenClient(hub);
  }

  /** Gets the token before it is needed. A failure has no effect: it is asked for again. */
  expect(revision: Revision, subject: RequestSubject, signal: AbortSignal): void {
    this.#tokens.get(revision, subject, signal).catch(() => {});
  }

  async reconstruct(
    revision: Revision,
    file: RemoteFile,
    range: ByteRange,
    subject: RequestSubject,
    signal: AbortSignal,
  ): Promise<XetLocation> {
    const hash = file.pointer?.xetHash;
    if (hash === undefined) throw new FetchError('BUG', `${file.path} has no Xet hash`);
    let token = await this.#tokens.get(revision, subject, signal);
    let answer = await this.#ask(token, hash, range, signal);
    if (answer.response.status === 401) {
      discard(answer.response);
      this.#tokens.refused(revision, token);
      token = await this.#tokens.get(revision, subject, signal);
      answer = await this.#ask(token, hash, range, signal);
    }
    const { response, version } = answer;
    if (response.status < 200 || response.status > 299) throw await this.#refused(response, file, signal);
    const limit = Math.max(MIN_JSON_BYTES, (rangeLength(range) / 1024) * JSON_BYTES_PER_KB);
    const text = await readText(response, Math.min(limit, MAX_JSON_BYTES), signal);
    const plainHttp = token.casUrl.startsWith('http:');
    return read(text, file, { range, fileSize: file.size, version, plainHttp }, response);
  }

  /** Asks for version 2, and for version 1 where that is not there. */
  async #ask(
    token: XetToken,
    hash: string,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<{ readonly response: HttpResponse; readonly version: 1 | 2 }> {
    const { casUrl } = token;
    if (!this.#versionOneOnly.has(casUrl)) {
      const response = await this.#send(token, `v2/reconstructions/${hash}`, range, signal);
      if (!NO_SUCH_VERSION.has(response.status)) return { response, version: 2 };
      discard(response);
    }
    const response = await this.#send(token, `v1/reconstructions/${hash}`, range, signal);
    // A file that both versions do not know says nothing about the store.
    if (response.status < 300) this.#versionOneOnly.add(casUrl);
    return { response, version: 1 };
  }

  async #send(token: XetToken, path: string, range: ByteRange, signal: AbortSignal): Promise<HttpResponse> {
    const { casUrl, value } = token;
    const origin = new URL(casUrl).origin;
    const { response } = await followRedirects(`${casUrl}/${path}`, {
      send: (hop) => this.#hub.http.get(hop),
      headers: { accept: 'application/json', range: formatRange(range) },
      authorize: authorizeOrigin({ origin, value: `Bearer ${value}` }),
      retryable: true,
      signal,
    });
    return response;
  }

  async #refused(response: HttpResponse, { path }: RemoteFile, signal: AbortSignal): Promise<FetchError> {
    const { status, url, headers } = response;
    const body = await readStart(response, REFUSAL_BYTES, signal);
    const { message, retryAfterMs } = storageError(
      { host: url.host, status, headers, body },
      path,
      this.#hub.clock.now(),
    );
    const passes = status === 408 || status === 429 || status >= 500;
    // Of a file whose size is known, no range that was asked for is behind its end: 416 means another file.
    return new FetchError('NETWORK', message, { status, retryAfterMs, retryable: passes, hint: HINT });
  }
}

function read(
  text: string,
  { path }: RemoteFile,
  asked: Parameters<typeof parseReconstruction>[1],
  { url }: HttpResponse,
): XetLocation {
  try {
    return parseReconstruction(JSON.parse(text), asked);
  } catch (error) {
    const why = error instanceof MalformedReconstruction ? error.message : 'broken JSON';
    const message = `${url.host} does not say rightly which chunks ${path} has: ${why}`;
    throw new FetchError('NETWORK', message, { retryable: true, hint: HINT });
  }
}
