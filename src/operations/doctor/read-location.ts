import { readBody, readStart } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { authorizeOrigin, followRedirects } from '../../http/follow-redirects.ts';
import { formatRange, rangeAnswer } from '../../http/range.ts';
import { REFUSAL_BYTES, storageError } from '../../http/refusal.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';

const HINT = 'A cache, a virus scanner or a proxy on the way may do this: try another network or endpoint.';

/** What a read takes. */
interface ReadContext {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The response to a request for a range. */
export interface RangeAnswer {
  /** Where the bytes came from, behind all redirects. */
  readonly url: URL;
  /** The location; its `ranges` is `none` if the host refused them. */
  readonly location: HttpLocation;
  /** False if the server sent the file from its start instead. */
  readonly honoured: boolean;
  /** The status with which ranges were refused; undefined if they were not. */
  readonly refused: number | undefined;
  readonly bytes: Buffer;
  readonly elapsedMs: number;
}

/**
 * Reads one range in one attempt. As a download does, it accepts exactly the range only, and requests the whole file where
 * ranges are refused.
 */
export async function readLocation(
  context: ReadContext,
  location: HttpLocation,
  { range, file }: { readonly range: ByteRange; readonly file: RemoteFile },
): Promise<RangeAnswer> {
  const { clock, signal } = context;
  const started = clock.monotonic();
  const whole: HttpLocation = { ...location, ranges: 'none' };
  let used = location;
  let refused: number | undefined;
  let response: HttpResponse;
  try {
    response = await openLocation(context, used, range, file.path);
  } catch (thrown) {
    if (!(thrown instanceof FetchError) || thrown.refusal !== 'no-ranges' || location.ranges === 'none')
      throw thrown;
    refused = thrown.status;
    used = whole;
    response = await openLocation(context, used, range, file.path);
  }
  let answer = rangeAnswer(response.status, response.headers, range, file.size);
  if (answer.kind === 'unnamed' && used.ranges !== 'none') {
    response.body.destroy();
    refused = response.status;
    used = whole;
    response = await openLocation(context, used, range, file.path);
    answer = rangeAnswer(response.status, response.headers, range, file.size);
  }
  const { url } = response;
  if (answer.kind === 'other' || answer.kind === 'unnamed') {
    response.body.destroy();
    throw new FetchError('NETWORK', `${url.host} answers with another range than requested`, {
      hint: HINT,
    });
  }
  const honoured = answer.kind === 'range';
  const length = range.end - range.start;
  const bytes = await readBody(response, length, signal, { beyond: 'cut' });
  if (honoured && bytes.length < length) {
    throw new FetchError('NETWORK', `${url.host} sent ${bytes.length} of ${length} bytes`, { hint: HINT });
  }
  return { url, location: used, honoured, refused, bytes, elapsedMs: clock.monotonic() - started };
}

/** When the bytes of a response came. */
export interface TimedBytes {
  readonly bytes: number;
  /** Milliseconds on the monotonic clock: the request, the head of the response, its last byte. */
  readonly startedMs: number;
  readonly headMs: number;
  readonly endMs: number;
  readonly response: HttpResponse;
}

/** Counts the bytes that come within `longestMs`, at most those of the range. Throws NETWORK if none comes. */
export async function timeLocation(
  context: ReadContext,
  location: HttpLocation,
  range: ByteRange,
  longestMs: number,
): Promise<TimedBytes> {
  const { clock } = context;
  const startedMs = clock.monotonic();
  const response = await openLocation(context, location, range);
  const headMs = clock.monotonic();
  const isPart = response.status === 206 || response.headers['content-range'] !== undefined;
  const length = range.end - range.start;
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length;
      // Read the response to its end, so that the connection can be kept.
      const enough = isPart ? bytes > length : bytes >= length;
      if (enough || clock.monotonic() - headMs > longestMs) break;
    }
  } finally {
    if (!response.body.complete) response.body.destroy();
  }
  if (bytes === 0) {
    const { url, status } = response;
    throw new FetchError('NETWORK', `${url.host} answers ${status} and sends no byte`, { hint: HINT });
  }
  return { bytes: Math.min(bytes, length), startedMs, headMs, endMs: clock.monotonic(), response };
}

/** The response of the host that has the bytes. Throws NETWORK for a refusal. */
async function openLocation(
  { http, clock, signal }: ReadContext,
  { url: start, authorization, ranges }: HttpLocation,
  range: ByteRange,
  path = 'a range of the file',
): Promise<HttpResponse> {
  const { response } = await followRedirects(start, {
    send: (hop) => http.get(hop),
    headers: ranges === 'none' ? {} : { range: formatRange(range) },
    authorize: authorizeOrigin(authorization),
    retryable: false,
    signal,
  });
  const { status, headers, url } = response;
  if (status === 200 || status === 206) return response;
  const body = await readStart(response, REFUSAL_BYTES, signal);
  throw storageError({ host: url.host, status, headers, body }, path, clock.now());
}
