import { discard, readBody } from '../../http/body.ts';
import { formatRange, parseContentRange } from '../../http/range.ts';
import type { HttpClient, HttpResponse } from '../../http/request.ts';
import { redirectsInCircles, redirectTarget } from '../../http/url.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { Location } from '../../source/source.ts';
import type { Clock } from '../../system/clock.ts';

const MAX_REDIRECTS = 5;
const HINT = 'A cache, a virus scanner or a proxy on the way may do this: try another network or endpoint.';

/** What came of asking for a range; `honoured` is false where the server sent the file from its start instead. */
export interface RangeAnswer {
  readonly host: string;
  readonly honoured: boolean;
  readonly bytes: Buffer;
  readonly elapsedMs: number;
}

/** One attempt, held to what a download needs: exactly the range, from exactly where it was said to be. */
export async function readLocation(
  http: HttpClient,
  location: Location,
  range: ByteRange,
  clock: Clock,
  signal: AbortSignal,
): Promise<RangeAnswer> {
  const started = clock.monotonic();
  const response = await follow(http, location, range, signal);
  const { host } = response.url;
  const honoured = response.status === 206;
  if (honoured) requireRange(response, range);
  const length = range.end - range.start;
  const bytes = await readBody(response, length, signal, 'cut');
  if (honoured && bytes.length < length) {
    throw new FetchError('NETWORK', `${host} sent ${bytes.length} of ${length} bytes`, { hint: HINT });
  }
  return { host, honoured, bytes, elapsedMs: clock.monotonic() - started };
}

/** How many bytes come in so long a time, at most those of the range. */
export async function timeLocation(
  http: HttpClient,
  location: Location,
  range: ByteRange,
  longestMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly elapsedMs: number }> {
  const response = await follow(http, location, range, signal);
  const started = clock.monotonic();
  const length = range.end - range.start;
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length;
      if (bytes >= length || clock.monotonic() - started > longestMs) break;
    }
  } finally {
    response.body.destroy();
  }
  return { bytes, elapsedMs: clock.monotonic() - started };
}

/** Redirects by hand: what authorises stays on the origin that it is for. */
async function follow(
  http: HttpClient,
  { url: start, authorization }: Location,
  range: ByteRange,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let url = new URL(start);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const mine = authorization !== undefined && authorization.origin === url.origin;
    const headers = { range: formatRange(range), ...(mine ? { authorization: authorization.value } : {}) };
    const response = await http.get({ url, headers, signal });
    const { status } = response;
    if (status === 200 || status === 206) return response;
    discard(response);
    if (status < 300 || status >= 400) {
      throw new FetchError('NETWORK', `${url.host} answers ${status} to a range of the file`, {
        status,
        hint: HINT,
      });
    }
    url = redirectTarget(url, response.headers.location);
  }
  throw redirectsInCircles(start, false);
}

function requireRange(response: HttpResponse, range: ByteRange): void {
  const got = parseContentRange(response.headers['content-range'])?.range;
  if (got?.start === range.start && got.end === range.end) return;
  response.body.destroy();
  throw new FetchError('NETWORK', `${response.url.host} answers with another range than it was asked for`, {
    hint: HINT,
  });
}
