import { readBody, readStart } from '../../http/body.ts';
import type { HttpResponse } from '../../http/client.ts';
import { authorizeOrigin, followRedirects } from '../../http/follow-redirects.ts';
import { HostRanges } from '../../http/host-ranges.ts';
import { formatRange, rangeAnswer } from '../../http/range.ts';
import { REFUSAL_BYTES, refusalKind, storageError } from '../../http/refusal.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { retrying } from '../../system/retry.ts';
import type { HttpLocation } from '../location.ts';
import { errorOf, type HubConnection } from './hub-api.ts';
import { type EndpointTraits, type FileRequest, locateFile } from './locate.ts';

const HINT = 'A cache or a proxy on the way may be broken: try again later, or over another network.';
/** Reads into memory are for headers and small files, not for weights. */
const MAX_READ_BYTES = 32 * 1024 * 1024;
/** Maximum of locations that are kept for further reads of the same file. */
const MAX_LOCATIONS = 256;
/** A location that expires within this time, in milliseconds, is not used again. */
const EXPIRY_MARGIN_MS = 5000;

/** Reads ranges of files into memory: one request to locate a file, then one for each range. */
export class RangeReader {
  readonly #hub: HubConnection;
  readonly #traits: EndpointTraits;
  readonly #hosts = new HostRanges();
  readonly #locations = new Map<string, HttpLocation>();

  constructor(hub: HubConnection, traits: EndpointTraits) {
    this.#hub = hub;
    this.#traits = traits;
  }

  /** The bytes of a range of a file, with retries. */
  async read(request: FileRequest, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    const { subject, file } = request;
    const wanted = { start: range.start, end: Math.min(range.end, file.size) };
    const length = wanted.end - wanted.start;
    if (length <= 0) return new Uint8Array();
    if (length > MAX_READ_BYTES) throw new FetchError('BUG', `${length} bytes are too many to read at once`);
    return await retrying(
      async () => {
        for (;;) {
          const bytes = await this.#attempt(request, wanted, signal);
          if (bytes !== undefined) return bytes;
        }
      },
      this.#hub.retryContext(subject.what, signal),
    );
  }

  /** One attempt; undefined if the host refused this form of range and another is to be tried. */
  async #attempt(
    request: FileRequest,
    wanted: ByteRange,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const found = await this.#locate(request, signal);
    const { origin } = new URL(found.url);
    const support = this.#hosts.of(origin);
    const location: HttpLocation =
      support === 'exact'
        ? await locateFile(this.#hub, { ...request, range: wanted }, this.#traits, signal)
        : { ...found, ranges: support };
    const response = await this.#get(location, wanted, signal);
    const { file, subject } = request;
    if (response.status === 200 || response.status === 206) {
      const bytes = await wantedBytes(response, file, wanted, signal);
      if (bytes !== undefined) this.#hosts.worked(origin, location.ranges);
      else if (!this.#hosts.refused(origin, 'no-ranges', location.ranges))
        throw unusable(response, file.path);
      return bytes;
    }
    this.#locations.delete(keyOf(request));
    const error = await this.#errorOf(response, subject, signal);
    // A hub that serves small files itself may refuse their ranges too.
    const kind = error.refusal ?? refusalKind(response.status, '');
    if (this.#hosts.refused(origin, kind, location.ranges)) return undefined;
    throw error;
  }

  async #locate(request: FileRequest, signal: AbortSignal): Promise<HttpLocation> {
    const key = keyOf(request);
    const kept = this.#locations.get(key);
    const ends = kept?.expiresAt ?? Number.POSITIVE_INFINITY;
    if (kept !== undefined && this.#hub.clock.now() < ends - EXPIRY_MARGIN_MS) return kept;
    const found = await locateFile(this.#hub, request, this.#traits, signal);
    if (this.#locations.size >= MAX_LOCATIONS) this.#locations.clear();
    this.#locations.set(key, found);
    return found;
  }

  async #get(location: HttpLocation, range: ByteRange, signal: AbortSignal): Promise<HttpResponse> {
    const { response } = await followRedirects(location.url, {
      send: (hop) => this.#hub.http.get(hop),
      headers: location.ranges === 'none' ? {} : { range: formatRange(range) },
      authorize: authorizeOrigin(location.authorization),
      retryable: true,
      signal,
    });
    return response;
  }

  /** The hub's own refusals say what is wrong with a file; those of a storage concern the address only. */
  async #errorOf(
    response: HttpResponse,
    subject: FileRequest['subject'],
    signal: AbortSignal,
  ): Promise<FetchError> {
    const { status, headers, url } = response;
    if (url.origin === new URL(this.#hub.endpoint).origin)
      return await errorOf(this.#hub, subject, response, signal);
    const body = await readStart(response, REFUSAL_BYTES, signal);
    const refused = { host: url.host, status, headers, body };
    return storageError(refused, subject.path ?? subject.what, this.#hub.clock.now());
  }
}

function keyOf({ revision, file }: FileRequest): string {
  return `${revision.repo.type}\n${revision.repo.id}\n${revision.id}\n${file.path}`;
}

/**
 * The bytes of the range from its answer. A server may ignore the range and send the file from its start; any other
 * range is an error. Undefined if it does not say which bytes it sends.
 */
async function wantedBytes(
  response: HttpResponse,
  { path, size }: RemoteFile,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const length = range.end - range.start;
  const answer = rangeAnswer(response.status, response.headers, range, size);
  if (answer.kind === 'unnamed') {
    response.body.destroy();
    return undefined;
  }
  if (answer.kind === 'other') throw unusable(response, path);
  const whole = answer.kind === 'whole';
  const body = await readBody(response, whole ? range.end : length, signal, { beyond: 'cut' });
  const bytes = whole ? body.subarray(range.start, range.end) : body;
  if (bytes.length === length) return bytes;
  throw new FetchError('NETWORK', `${response.url.host} sent ${bytes.length} of ${length} bytes of ${path}`, {
    retryable: true,
    hint: HINT,
  });
}

function unusable(response: HttpResponse, path: string): FetchError {
  response.body.destroy();
  return new FetchError(
    'NETWORK',
    `${response.url.host} answered with another range of ${path} than was asked for`,
    { retryable: true, hint: HINT },
  );
}
