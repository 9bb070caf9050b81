import { formatRange, parseContentRange } from '../../http/range.ts';
import { discard, type HttpResponse, readBody } from '../../http/request.ts';
import { redirectsInCircles, redirectTarget } from '../../http/url.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { retrying } from '../../system/retry.ts';
import { resolveUrl } from './endpoints.ts';
import { authorizationFor, type HubConnection, refusal } from './hub-api.ts';
import type { Asked } from './hub-error.ts';

const BUCKET = 'resolvers';
const MAX_REDIRECTS = 10;
const HINT = 'A cache or a proxy on the way may be broken: try again later, or over another network.';
/** Reading into memory is for descriptions, not for weights. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

/** The bytes of a range of a file, with retries: two requests, one more per redirect of a rename. */
export async function readRange(
  hub: HubConnection,
  asked: Asked,
  revision: Revision,
  file: RemoteFile,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const wanted = { start: range.start, end: Math.min(range.end, file.size) };
  const length = wanted.end - wanted.start;
  if (length <= 0) return new Uint8Array();
  if (length > MAX_READ_BYTES) throw new FetchError('BUG', `${length} bytes are too many to read at once`);
  return await retrying(
    async () => {
      const response = await follow(hub, asked, revision, file, wanted, signal);
      return await wantedBytes(response, file.path, wanted, signal);
    },
    hub.retryContext(asked.what, signal),
  );
}

/** One attempt, with redirects by hand: the credential stays on the endpoint's origin. */
async function follow(
  hub: HubConnection,
  asked: Asked,
  revision: Revision,
  file: RemoteFile,
  range: ByteRange,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const start = resolveUrl(hub.endpoint, revision.repo, revision.commit, file.path);
  let url = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const ours = url.origin === start.origin;
    if (ours) await hub.gate.pass(BUCKET, signal);
    const headers = { ...authorizationFor(hub, url), range: formatRange(range) };
    const response = await hub.http.get({ url, headers, signal });
    if (ours) hub.gate.observe(BUCKET, response.status, response.headers);
    const { status } = response;
    if (status === 200 || status === 206) return response;
    if (status < 300 || status >= 400) throw await refusal(hub, asked, response, signal);
    discard(response);
    url = redirectTarget(url, response.headers.location);
  }
  throw redirectsInCircles(start, true);
}

/** A server may ignore the range and send all from the start; any other range than the asked one is nonsense. */
async function wantedBytes(
  response: HttpResponse,
  path: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const length = range.end - range.start;
  const whole = response.status === 200;
  const got = parseContentRange(response.headers['content-range'])?.range;
  if (!whole && (got?.start !== range.start || got.end !== range.end)) {
    response.body.destroy();
    throw new FetchError(
      'NETWORK',
      `${response.url.host} answered with another range of ${path} than was asked for`,
      {
        retryable: true,
        hint: HINT,
      },
    );
  }
  const body = await readBody(response, whole ? range.end : length, signal, 'cut');
  const bytes = whole ? body.subarray(range.start, range.end) : body;
  if (bytes.length === length) return bytes;
  throw new FetchError('NETWORK', `${response.url.host} sent ${bytes.length} of ${length} bytes of ${path}`, {
    retryable: true,
    hint: HINT,
  });
}
